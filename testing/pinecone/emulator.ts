/**
 * Pinecone's control and data plane on loopback, as its clients see them (API up to 2026-07): for tests of what writes to it. Exact search in
 * memory, optionally kept in a folder; faults, latency and staleness by request.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '../../engine/clock.ts'
import type { Clock } from '../../engine/contracts.ts'
import { answerControl, type ControlPlane, controlProblem } from './control-plane.ts'
import { answerData, codes, dataProblem } from './data-plane.ts'
import { EmulatedIndex, type Visibility, type Write } from './emulated-index.ts'
import type { Faults, Mishap } from './faults.ts'
import { type IndexModel, Refusal, versionOf } from './index-model.ts'
import { openJournal } from './journal.ts'
import { type Answer, type Asked, parsedBody, receive, send, Unreadable } from './request.ts'

export interface PineconeEmulatorOptions {
  /** Default: any that is free. */
  readonly port?: number
  /** The only key that is let in; default: any but none. */
  readonly apiKey?: string
  /** Acknowledged changes survive the emulator's death in this folder. Default: nothing is kept. */
  readonly dir?: string
  readonly faults?: Faults
  /** How much later every request is served (default 0). */
  readonly latencyMs?: number
  /** Reads of an index that do not see a change yet (default 0). */
  readonly staleReads?: number
  /** How long reads do not see a change yet (default 0). */
  readonly visibleAfterMs?: number
  /** Times that a new index is described as one that is being made (default 0). */
  readonly initializing?: number
  /** Of latency and visibility; default: the machine's. */
  readonly clock?: Clock
}

/** A running emulator. */
export interface PineconeEmulator {
  /** For `controllerHostUrl`, or `PINECONE_CONTROLLER_HOST`. */
  readonly url: string
  /** Replaced at will: asked for every request. */
  faults: Faults
  /** Requests that came, served or not, by method and path: `POST /vectors/upsert`. */
  readonly requests: ReadonlyMap<string, number>
  /** An index that was made; undefined if there is none of that name. */
  index(name: string): EmulatedIndex | undefined
  close(): Promise<void>
}

/** Indexes are served under their names, on the emulator's own address. */
const dataPath = '/index/'

const noFaults: Faults = () => null

/** Listens on 127.0.0.1. Throws if the port is in use. */
export async function startPineconeEmulator(options: PineconeEmulatorOptions = {}): Promise<PineconeEmulator> {
  const { clock = systemClock, latencyMs = 0 } = options
  const requests = new Map<string, number>()
  const emulator = { faults: options.faults ?? noFaults }
  let url = ''
  const indexes = openIndexes(options, clock)
  const serve = (incoming: IncomingMessage, bytes: Buffer): Answer => {
    const target = targetOf(incoming)
    const given = incoming.headers['api-key']
    const letIn = typeof given === 'string' && given !== '' && (options.apiKey ?? given) === given
    try {
      if (!letIn) return problem(target, { status: 401, code: codes.unauthenticated, message: 'Invalid API Key' })
      const asked = { ...target, version: versionOf(header(incoming)), body: parsedBody(bytes) }
      if (target.index === null)
        return answerControl({ ...indexes.plane, hostOf: (name) => url + dataPath + name }, asked)
      const index = indexes.get(target.index)
      if (index === undefined) return dataProblem(404, codes.notFound, `Index ${target.index} not found`)
      return answerData(index, (change) => indexes.write(target.index!, change), asked)
    } catch (error) {
      const refused = error instanceof Unreadable || error instanceof Refusal
      const code = error instanceof Unreadable ? error.code : refused ? codes.invalid : codes.internal
      return problem(target, { status: refused ? 400 : 500, code, message: String((error as Error).message) })
    }
  }
  const server = createServer((incoming, answer) => {
    const handle = async (): Promise<void> => {
      const bytes = await receive(incoming)
      const { method, path, index } = targetOf(incoming)
      const key = `${method} ${path}`
      requests.set(key, (requests.get(key) ?? 0) + 1)
      const mishap = emulator.faults({ method, path, index })
      const delayMs =
        latencyMs + (typeof mishap === 'object' && mishap !== null && 'delayMs' in mishap ? mishap.delayMs : 0)
      if (delayMs > 0) await clock.sleep(delayMs)
      suffer(mishap, { incoming, answer, serve: () => serve(incoming, bytes) })
    }
    handle().catch(() => incoming.socket.destroy()) // the client has gone
  })
  await listen(server, options.port ?? 0)
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.assign(emulator, {
    url,
    requests,
    index: indexes.get,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

function suffer(
  mishap: Mishap,
  { incoming, answer, serve }: { incoming: IncomingMessage; answer: ServerResponse; serve(): Answer },
): void {
  if (mishap === 'silence') return
  if (mishap === 'cut') return void incoming.socket.destroy()
  if (mishap === 'lost-answer') {
    serve()
    return void incoming.socket.destroy()
  }
  if (mishap === null || 'delayMs' in mishap) {
    send(answer, serve())
    return
  }
  const { status, retryAfterS } = mishap
  if (retryAfterS !== undefined) answer.setHeader('retry-after', String(retryAfterS))
  const code = status === 429 ? codes.exhausted : codes.internal
  send(answer, problem(targetOf(incoming), { status, code, message: 'injected by the emulator' }))
}

interface Target extends Pick<Asked, 'method' | 'path' | 'query'> {
  /** The index whose data plane is asked; null: the control plane is. */
  readonly index: string | null
}

function targetOf({ method = 'GET', url = '/' }: IncomingMessage): Target {
  const { pathname, searchParams: query } = new URL(url, 'http://127.0.0.1')
  if (!pathname.startsWith(dataPath)) return { method, path: pathname, query, index: null }
  const [index = '', ...rest] = pathname.slice(dataPath.length).split('/')
  return { method, path: `/${rest.join('/')}`, query, index }
}

function header({ headers }: IncomingMessage): string | undefined {
  const version = headers['x-pinecone-api-version']
  return Array.isArray(version) ? version[0] : version
}

const names: Readonly<Record<number, string>> = {
  [codes.invalid]: 'INVALID_ARGUMENT',
  [codes.exhausted]: 'RESOURCE_EXHAUSTED',
  [codes.outOfRange]: 'OUT_OF_RANGE',
  [codes.unauthenticated]: 'UNAUTHENTICATED',
}

/** An error in the shape of the plane that was asked. */
function problem(
  { index }: Target,
  what: { readonly status: number; readonly code: number; readonly message: string },
): Answer {
  const { status, code, message } = what
  return index === null
    ? controlProblem(status, names[code] ?? 'INTERNAL', message)
    : dataProblem(status, code, message)
}

interface Indexes {
  get(name: string): EmulatedIndex | undefined
  write(name: string, change: Write): void
  readonly plane: Omit<ControlPlane, 'hostOf'>
}

/** The indexes as they were left in the folder, if there is one. */
function openIndexes(options: PineconeEmulatorOptions, clock: Clock): Indexes {
  const journal = openJournal(options.dir)
  const indexes = new Map<string, EmulatedIndex>()
  const describedBefore = new Map<string, number>()
  const { initializing = 0 } = options
  const unreadyAnswers = initializing === 0 ? 0 : initializing + 1 // the one to the request that makes it, too
  const visibility: Visibility = {
    staleReads: options.staleReads ?? 0,
    afterMs: options.visibleAfterMs ?? 0,
    nowMs: clock.nowMs,
  }
  const put = (model: IndexModel): void => {
    const known = indexes.get(model.name)
    if (known === undefined) indexes.set(model.name, new EmulatedIndex(model, visibility))
    else known.model = model
  }
  for (const entry of journal.before)
    if ('put' in entry) put(entry.put)
    else if ('drop' in entry) indexes.delete(entry.drop)
    else indexes.get(entry.index)?.write(entry.write)
  for (const [name, index] of indexes) {
    index.contents() // what was acknowledged before is old by now
    describedBefore.set(name, unreadyAnswers)
  }
  return {
    get: (name) => indexes.get(name),
    write(name, change) {
      journal.append({ index: name, write: change })
      indexes.get(name)!.write(change)
    },
    plane: {
      models: () => [...indexes.values()].map(({ model }) => model),
      model: (name) => indexes.get(name)?.model,
      put(model) {
        journal.append({ put: model })
        put(model)
      },
      drop(name) {
        journal.append({ drop: name })
        indexes.delete(name)
        describedBefore.delete(name)
      },
      isReady(name) {
        const before = describedBefore.get(name) ?? 0
        describedBefore.set(name, before + 1)
        return before >= unreadyAnswers
      },
    },
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
}
