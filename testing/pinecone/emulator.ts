/**
 * Pinecone's control and data plane on loopback, as its clients see them (API 2026-04): for tests of what writes to it. Exact search in
 * memory, optionally kept in a folder; faults and staleness by request.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { EmulatedIndex, type EmulatedRecord, type IndexModel, Refusal, type Write } from './emulated-index.ts'
import type { Faults } from './faults.ts'
import { type Filter, FilterError } from './filter.ts'
import { openJournal } from './journal.ts'

export interface PineconeEmulatorOptions {
  /** Default: any that is free. */
  readonly port?: number
  /** The only key that is let in; default: any but none. */
  readonly apiKey?: string
  /** Acknowledged changes survive the emulator's death in this folder. Default: nothing is kept. */
  readonly dir?: string
  readonly faults?: Faults
  /** Reads of an index that do not see a change yet (default 0). */
  readonly staleReads?: number
}

/** A running emulator. */
export interface PineconeEmulator {
  /** For `controllerHostUrl`, or `PINECONE_CONTROLLER_HOST`. */
  readonly url: string
  /** Replaced at will: asked for every request. */
  faults: Faults
  /** Requests that were served or refused, by method and path: `POST /vectors/upsert`. */
  readonly requests: ReadonlyMap<string, number>
  /** An index that was made; undefined if there is none of that name. */
  index(name: string): EmulatedIndex | undefined
  close(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly body: Readonly<Record<string, unknown>>
}

const dataPlane = '/index/'
const noFaults: Faults = () => null

/** Listens on 127.0.0.1. Throws if the port is in use. */
export async function startPineconeEmulator(options: PineconeEmulatorOptions = {}): Promise<PineconeEmulator> {
  const journal = openJournal(options.dir)
  const indexes = new Map<string, EmulatedIndex>()
  for (const entry of journal.before)
    if ('create' in entry) indexes.set(entry.create.name, new EmulatedIndex(entry.create, options.staleReads))
    else if ('drop' in entry) indexes.delete(entry.drop)
    else indexes.get(entry.index)?.write(entry.write)
  const requests = new Map<string, number>()
  const emulator = { faults: options.faults ?? noFaults }
  let url = ''
  const control = controlPlane({
    indexes,
    url: () => url,
    append: journal.append,
    make: (model) => new EmulatedIndex(model, options.staleReads),
  })
  const serve = (asked: Asked): Answer => {
    if (!asked.path.startsWith(dataPlane)) return control(asked)
    const [name = '', ...rest] = asked.path.slice(dataPlane.length).split('/')
    const index = indexes.get(name)
    if (index === undefined) return problem(404, 5, `index ${name} not found`)
    const write = (change: Write) => {
      journal.append({ index: name, write: change })
      index.write(change)
    }
    return answerData(index, write, { ...asked, path: `/${rest.join('/')}` })
  }
  const server = createServer((incoming, answer) => {
    void receive(incoming).then((asked) => {
      const shown = asked.path.replace(/^\/index\/[^/]+/, '')
      const key = `${asked.method} ${shown}`
      requests.set(key, (requests.get(key) ?? 0) + 1)
      const mishap = emulator.faults({ method: asked.method, path: shown })
      if (mishap === 'silence') return
      if (mishap === 'cut') return void incoming.socket.destroy()
      if (mishap !== null && mishap !== 'lost-answer') {
        if (mishap.retryAfterS !== undefined) answer.setHeader('retry-after', String(mishap.retryAfterS))
        return send(answer, problem(mishap.status, mishap.status === 429 ? 8 : 13, 'injected by the emulator'))
      }
      const given = incoming.headers['api-key']
      const letIn = typeof given === 'string' && given !== '' && (options.apiKey ?? given) === given
      const answered = letIn ? guarded(() => serve(asked)) : { status: 401, body: 'Unauthorized' }
      if (mishap === 'lost-answer') incoming.socket.destroy()
      else send(answer, answered)
    })
  })
  await listen(server, options.port ?? 0)
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.assign(emulator, {
    url,
    requests,
    index: (name: string) => indexes.get(name),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
}

async function receive(incoming: IncomingMessage): Promise<Asked> {
  const parts: Buffer[] = []
  incoming.on('error', () => {}) // the client has gone
  for await (const part of incoming) parts.push(part as Buffer)
  const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://127.0.0.1')
  const text = Buffer.concat(parts).toString('utf8')
  let body: Asked['body'] = {}
  try {
    body = text === '' ? {} : (JSON.parse(text) as Asked['body'])
  } catch {
    body = { unreadable: true }
  }
  const size = Buffer.byteLength(text)
  return {
    method: incoming.method ?? 'GET',
    path: pathname,
    query: searchParams,
    body: size > largestBody ? { tooLarge: size } : body,
  }
}

const largestBody = 2 * 2 ** 20

function send(answer: ServerResponse, { status, body }: Answer): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  answer.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/plain' : 'application/json' }).end(text)
}

/** Errors of the data plane; those of the control plane say the same in another shape. */
function problem(status: number, code: number, message: string): Answer {
  return { status, body: { code, message, details: [] } }
}

function guarded(serve: () => Answer): Answer {
  try {
    return serve()
  } catch (error) {
    if (error instanceof Refusal || error instanceof FilterError) return problem(400, 3, error.message)
    return problem(500, 13, String(error))
  }
}

interface ControlPlane {
  readonly indexes: Map<string, EmulatedIndex>
  readonly url: () => string
  readonly append: ReturnType<typeof openJournal>['append']
  readonly make: (model: IndexModel) => EmulatedIndex
}

function controlPlane({ indexes, url, append, make }: ControlPlane): (asked: Asked) => Answer {
  const refused = (status: number, code: string, message: string): Answer => ({
    status,
    body: { status, error: { code, message } },
  })
  const model = ({ model: { name, dimension, metric, spec, tags } }: EmulatedIndex) => ({
    name,
    dimension,
    metric,
    host: `${url()}${dataPlane}${name}`,
    spec,
    status: { ready: true, state: 'Ready' },
    vector_type: 'dense',
    deletion_protection: 'disabled',
    ...(tags === undefined ? {} : { tags }),
  })
  return ({ method, path, body }) => {
    const [, root, name] = path.split('/')
    if (root !== 'indexes') return refused(404, 'NOT_FOUND', `no such path: ${path}`)
    if (name === undefined && method === 'GET')
      return { status: 200, body: { indexes: [...indexes.values()].map(model) } }
    if (name === undefined && method === 'POST') {
      const given = body as unknown as IndexModel
      const { dimension } = given
      if (typeof given.name !== 'string' || !/^[a-z0-9]([a-z0-9-]{0,43}[a-z0-9])?$/.test(given.name))
        return refused(400, 'INVALID_ARGUMENT', "Name must consist of lower case alphanumeric characters or '-'")
      if (!Number.isInteger(dimension) || dimension < 1 || dimension > 20_000)
        return refused(400, 'INVALID_ARGUMENT', 'dimension must be 1 to 20000')
      if (indexes.has(given.name)) return refused(409, 'ALREADY_EXISTS', 'Resource already exists')
      const made: IndexModel = { ...given, metric: given.metric ?? 'cosine' }
      append({ create: made })
      indexes.set(made.name, make(made))
      return { status: 201, body: model(indexes.get(made.name)!) }
    }
    const index = indexes.get(name ?? '')
    if (index === undefined) return refused(404, 'NOT_FOUND', `Resource ${name} not found`)
    if (method === 'GET') return { status: 200, body: model(index) }
    if (method !== 'DELETE') return refused(405, 'METHOD_NOT_ALLOWED', `${method} ${path}`)
    append({ drop: name! })
    indexes.delete(name!)
    return { status: 202, body: '' }
  }
}

function answerData(
  index: EmulatedIndex,
  write: (change: Write) => void,
  { method, path, query, body }: Asked,
): Answer {
  if ('tooLarge' in body) return problem(400, 11, `request is ${String(body.tooLarge)} bytes, which is more than 2 MB`)
  if ('unreadable' in body) return problem(400, 3, 'request is not JSON')
  const namespace = String((method === 'GET' ? query.get('namespace') : body.namespace) ?? '')
  const usage = { readUnits: 1 }
  switch (`${method} ${path}`) {
    case 'POST /vectors/upsert': {
      const records = body.vectors as EmulatedRecord[]
      index.check(records)
      write({
        kind: 'upsert',
        namespace,
        records: records.map(({ id, values, metadata }) => ({
          id,
          values,
          ...(metadata === undefined ? {} : { metadata }),
        })),
      })
      return { status: 200, body: { upsertedCount: records.length } }
    }
    case 'POST /vectors/delete': {
      const ids = (body.ids as string[] | undefined) ?? null
      if (ids !== null && ids.length > 1000) throw new Refusal(`${ids.length} ids in one request, 1000 at most`)
      const filter = (body.filter as Filter | undefined) ?? null
      if (ids === null && filter === null && body.deleteAll !== true) throw new Refusal('give ids, filter or deleteAll')
      write({ kind: 'delete', namespace, ids, filter })
      return { status: 200, body: {} }
    }
    case 'POST /vectors/update': {
      const held = index.read(namespace).get(String(body.id))
      if (held === undefined) return { status: 200, body: {} }
      const values = (body.values as number[] | undefined) ?? held.values
      const record = {
        id: held.id,
        values,
        metadata: { ...held.metadata, ...(body.setMetadata as object | undefined) },
      }
      index.check([record])
      write({ kind: 'upsert', namespace, records: [record] })
      return { status: 200, body: {} }
    }
    case 'GET /vectors/fetch': {
      const ids = query.getAll('ids')
      if (ids.length === 0 || ids.length > 1000) throw new Refusal(`${ids.length} ids in one request, 1 to 1000 wanted`)
      const space = index.read(namespace)
      const found = ids.flatMap((id) => (space.has(id) ? [[id, space.get(id)] as const] : []))
      return { status: 200, body: { vectors: Object.fromEntries(found), namespace, usage } }
    }
    case 'GET /vectors/list': {
      const [prefix, after] = [query.get('prefix') ?? '', query.get('paginationToken') ?? '']
      const limit = Number(query.get('limit') ?? 100)
      if (!(limit >= 1 && limit <= 100)) throw new Refusal('limit must be 1 to 100')
      const ids = [...index.read(namespace).keys()].filter((id) => id.startsWith(prefix) && id > after).sort()
      const page = ids.slice(0, limit)
      const pagination = ids.length > limit ? { pagination: { next: page.at(-1) } } : {}
      return { status: 200, body: { vectors: page.map((id) => ({ id })), ...pagination, namespace, usage } }
    }
    case 'POST /query': {
      const topK = Number(body.topK)
      if (!Number.isInteger(topK) || topK < 1 || topK > 10_000) throw new Refusal('topK must be 1 to 10000')
      const vector = (body.vector as number[] | undefined) ?? index.read(namespace).get(String(body.id))?.values
      if (vector === undefined) throw new Refusal('give a vector, or the id of one that is there')
      const found = index.query(namespace, vector, topK, (body.filter as Filter | undefined) ?? null)
      const shown = found.map(({ record: { id, values, metadata }, score }) => ({
        id,
        score,
        values: body.includeValues === true ? values : [],
        ...(body.includeMetadata === true && metadata !== undefined ? { metadata } : {}),
      }))
      return { status: 200, body: { matches: shown, namespace, usage } }
    }
    case 'POST /describe_index_stats': {
      const counts = index.counts()
      const namespaces = Object.fromEntries([...counts].map(([name, vectorCount]) => [name, { vectorCount }]))
      const totalVectorCount = [...counts.values()].reduce((sum, each) => sum + each, 0)
      return { status: 200, body: { namespaces, dimension: index.model.dimension, indexFullness: 0, totalVectorCount } }
    }
    default:
      return problem(404, 5, `no such call: ${method} ${path}`)
  }
}
