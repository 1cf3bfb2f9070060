/** The calls that write and read the vectors of one index. */
import { checkId, type EmulatedIndex, type EmulatedRecord, type Write } from './emulated-index.ts'
import { checkFilter, type Filter, FilterError } from './filter.ts'
import { type Body, Refusal } from './index-model.ts'
import type { Answer, Asked } from './request.ts'

const mostIds = 1000
const mostMatches = 10_000
const idsPerPage = 100

const usage = { readUnits: 1 }

/** Codes of errors, as gRPC has them. */
export const codes = {
  invalid: 3,
  notFound: 5,
  exhausted: 8,
  outOfRange: 11,
  internal: 13,
  unauthenticated: 16,
} as const

/** Answers one call. `write` makes its changes last before they are acknowledged. */
export function answerData(index: EmulatedIndex, write: (change: Write) => void, asked: Asked): Answer {
  const answer = calls[`${asked.method} ${asked.path}`]
  if (answer === undefined) return dataProblem(404, codes.notFound, `no such call: ${asked.method} ${asked.path}`)
  const { method, query, body } = asked
  const namespace = String((method === 'GET' ? query.get('namespace') : body.namespace) ?? '')
  try {
    return answer({ index, write, namespace, query, body })
  } catch (error) {
    if (error instanceof Refusal || error instanceof FilterError) return dataProblem(400, codes.invalid, error.message)
    throw error
  }
}

/** An error in the shape of the data plane. */
export function dataProblem(status: number, code: number, message: string): Answer {
  return { status, body: { code, message, details: [] } }
}

interface Call {
  readonly index: EmulatedIndex
  readonly write: (change: Write) => void
  readonly namespace: string
  readonly query: URLSearchParams
  readonly body: Body
}

const calls: Readonly<Record<string, (call: Call) => Answer>> = {
  'POST /vectors/upsert': upsert,
  'POST /vectors/delete': remove,
  'POST /vectors/update': update,
  'GET /vectors/fetch': fetchByIds,
  'GET /vectors/list': list,
  'POST /query': query,
  'POST /describe_index_stats': stats,
}

function upsert({ index, write, namespace, body }: Call): Answer {
  const given = body.vectors as readonly EmulatedRecord[]
  index.check(given)
  const records = given.map(({ id, values, metadata }) => ({
    id,
    values,
    ...(metadata === undefined ? {} : { metadata }),
  }))
  write({ kind: 'upsert', namespace, records })
  return { status: 200, body: { upsertedCount: records.length } }
}

function remove({ index, write, namespace, body: { ids = null, filter = null, deleteAll } }: Call): Answer {
  if ([ids !== null, filter !== null, deleteAll === true].filter(Boolean).length !== 1)
    throw new Refusal('give ids, a filter or deleteAll')
  if (ids !== null) {
    if (!Array.isArray(ids) || ids.length === 0 || ids.length > mostIds)
      throw new Refusal(`ids must be a list of 1 to ${mostIds} ids`)
    ids.forEach(checkId)
  }
  if (filter !== null) checkFilter(filter as Filter)
  if (!index.hasNamespace(namespace)) return dataProblem(404, codes.notFound, 'Namespace not found')
  write({ kind: 'delete', namespace, ids: ids as string[] | null, filter: filter as Filter | null })
  return { status: 200, body: {} }
}

function update({ index, write, namespace, body: { id, values, setMetadata } }: Call): Answer {
  checkId(id)
  const held = index.read(namespace).get(String(id))
  if (held === undefined) return { status: 200, body: {} }
  const record: EmulatedRecord = {
    id: held.id,
    values: (values as number[] | undefined) ?? held.values,
    metadata: { ...held.metadata, ...(setMetadata as EmulatedRecord['metadata']) },
  }
  index.check([record])
  write({ kind: 'upsert', namespace, records: [record] })
  return { status: 200, body: {} }
}

function fetchByIds({ index, namespace, query: asked }: Call): Answer {
  const ids = asked.getAll('ids')
  if (ids.length === 0 || ids.length > mostIds) throw new Refusal(`ids must be a list of 1 to ${mostIds} ids`)
  const space = index.read(namespace)
  const found = ids.flatMap((id) => (space.has(id) ? [[id, space.get(id)] as const] : []))
  return { status: 200, body: { vectors: Object.fromEntries(found), namespace, usage } }
}

function list({ index, namespace, query: asked }: Call): Answer {
  const limit = Number(asked.get('limit') ?? idsPerPage)
  if (!Number.isInteger(limit) || limit < 1 || limit > idsPerPage) throw new Refusal(`limit must be 1 to ${idsPerPage}`)
  const prefix = asked.get('prefix') ?? ''
  const after = Buffer.from(asked.get('paginationToken') ?? '', 'base64url').toString('utf8')
  const ids = [...index.read(namespace).keys()].filter((id) => id.startsWith(prefix) && id > after).sort()
  const page = ids.slice(0, limit)
  const next = { pagination: { next: Buffer.from(page.at(-1) ?? '').toString('base64url') } }
  const vectors = page.map((id) => ({ id }))
  return { status: 200, body: { vectors, ...(ids.length > limit ? next : {}), namespace, usage } }
}

function query({ index, namespace, body }: Call): Answer {
  const topK = Number(body.topK)
  if (!Number.isInteger(topK) || topK < 1 || topK > mostMatches) throw new Refusal(`topK must be 1 to ${mostMatches}`)
  if ((body.vector === undefined) === (body.id === undefined)) throw new Refusal('give a vector or an id')
  const filter = (body.filter as Filter | undefined) ?? null
  if (filter !== null) checkFilter(filter)
  const vector = (body.vector as number[] | undefined) ?? index.read(namespace).get(String(body.id))?.values
  const found = vector === undefined ? [] : index.query(namespace, vector, { topK, filter })
  const matches = found.map(({ record: { id, values, metadata }, score }) => ({
    id,
    score,
    values: body.includeValues === true ? values : [],
    ...(body.includeMetadata === true && metadata !== undefined ? { metadata } : {}),
  }))
  return { status: 200, body: { matches, namespace, usage } }
}

function stats({ index }: Call): Answer {
  const counts = index.counts()
  const namespaces = Object.fromEntries([...counts].map(([name, vectorCount]) => [name, { vectorCount }]))
  const totalVectorCount = [...counts.values()].reduce((sum, each) => sum + each, 0)
  const { dimension, metric } = index.model
  const body = { namespaces, dimension, indexFullness: 0, totalVectorCount, metric, vectorType: 'dense' }
  return { status: 200, body }
}
