/** One index of Pinecone, through its own client: the only file that knows the client's calls. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Index, Pinecone as PineconeClient } from '@pinecone-database/pinecone'
import type { Clock, Ids } from '../../engine/contracts.ts'
import { forbidden, isConflict, isMissing, isRefusedContent, notReady, pineconeFailure } from './failures.ts'
import { defaultPatience, type PatienceOptions, patientFetch } from './patient-fetch.ts'
import type { PineconeSettings } from './settings.ts'

/** Flat: what Pinecone keeps beside a vector. */
export type Metadata = Record<string, string | number | boolean | string[]>

/** A vector with what is stored beside it. */
export interface VectorRecord {
  readonly id: string
  readonly values: number[]
  readonly metadata: Metadata
}

/** A vector that was found. */
export interface ScoredRecord {
  readonly id: string
  readonly score: number
  readonly metadata: Metadata
}

/** What an index was made with. */
export interface IndexShape {
  /** 0 for one that is not of dense vectors. */
  readonly dimension: number
  readonly metric: string
}

/** Pinecone refuses a request for what is in it. The message is its own. */
export class RefusedContent extends Error {}

/** What is used of an index. Errors are ours: `PINECONE_REFUSED`, `PINECONE_UNREACHABLE` (retryable), `SINK_FAILED`. */
export interface PineconeIndex {
  readonly settings: PineconeSettings
  /** Null where there is no such index; one that is being made is waited for. */
  shape(): Promise<IndexShape | null>
  /** Makes the index and waits until it can be written. Fine if somebody else did. */
  create(dimension: number): Promise<void>
  /**
   * Each record as its JSON text.
   * @throws RefusedContent
   */
  upsert(namespace: string, records: readonly string[]): Promise<void>
  /** Ids that are not there, and a namespace that is not, are fine. */
  delete(namespace: string, ids: string[]): Promise<void>
  /** Those that are there. */
  fetch(namespace: string, ids: readonly string[]): Promise<VectorRecord[]>
  /** Ids that begin so, page by page. */
  list(namespace: string, prefix: string): AsyncIterable<string[]>
  query(
    namespace: string,
    vector: number[],
    options: { readonly topK: number; readonly filter?: object },
  ): Promise<ScoredRecord[]>
  /** Vectors by namespace. */
  counts(): Promise<ReadonlyMap<string, number>>
  /** Does work whose requests, and the waiting between them, end with a signal. */
  during<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>
  /** Throws if the service does not let us in. */
  check(): Promise<void>
  close(): Promise<void>
}

export interface PineconeOptions extends Partial<Omit<PatienceOptions, 'clock' | 'ids' | 'signal'>> {
  readonly settings: PineconeSettings
  readonly clock: Clock
  readonly ids: Ids
}

const idsPerFetch = 100 // they go into the address
const idsPerPage = 100

/** An index that is being made is asked for until it is ready. */
const readiness = { everyMs: 2_000, withinMs: 300_000 }

/** The name under which the client's API describes the vectors of an index that holds nothing else. */
const vectorsField = '_values'

/** Connects to nothing yet. */
export function openPinecone({ settings, clock, ...options }: PineconeOptions): PineconeIndex {
  const signals = new AsyncLocalStorage<AbortSignal>()
  const bodies = new AsyncLocalStorage<string>()
  const ask = patientFetch({ ...defaultPatience, ...options, clock, signal: () => signals.getStore() })
  const client = new PineconeClient({
    apiKey: 'known to the transport alone', // the client prints its key where PINECONE_DEBUG_CURL is set
    ...(settings.controllerHost === null ? {} : { controllerHostUrl: settings.controllerHost }),
    fetchApi: async (input, init) => {
      const headers = new Headers(init?.headers)
      headers.set('api-key', settings.apiKey)
      const body = bodies.getStore()
      const answer = await ask(input, { ...init, headers, ...(body === undefined ? {} : { body }) })
      // The client takes it for a request that is wrong.
      if (answer.status === 403) throw forbidden(await answer.text(), settings)
      return answer
    },
    maxRetries: 0, // the fetch above does, 429 included
  })
  const tried = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw pineconeFailure(what, error, settings)
    }
  }
  /** Where the index is served, once it is known. */
  let host: string | null = null
  const describe = async () => {
    const model = await client.indexes.describe(settings.index)
    host = model.host
    return model
  }
  const index = async (): Promise<Index> => client.index({ host: host ?? (await describe()).host })
  const waitUntilReady = async () => {
    const endMs = clock.nowMs() + readiness.withinMs
    for (;;) {
      const model = await describe()
      if (model.status.ready) return model
      if (clock.nowMs() >= endMs || /failed|terminating|disabled/i.test(model.status.state))
        throw notReady(model.status.state, settings)
      await clock.sleep(readiness.everyMs, signals.getStore())
      signals.getStore()?.throwIfAborted()
    }
  }
  const shape = () =>
    tried('looking for it', async () => {
      try {
        const field = (await waitUntilReady()).schema.fields[vectorsField]
        return field !== undefined && 'type' in field && field.type === 'dense_vector'
          ? { dimension: field.dimension, metric: String(field.metric) }
          : { dimension: 0, metric: 'none' }
      } catch (error) {
        if (isMissing(error)) return null
        throw error
      }
    })
  return {
    settings,
    shape,
    create: (dimension) =>
      tried('making it', async () => {
        const { index: name, cloud, region } = settings
        try {
          await client.indexes.create({
            name,
            schema: { fields: { [vectorsField]: { type: 'dense_vector', dimension, metric: 'cosine' } } },
            deployment: { deploymentType: 'managed', cloud, region },
          })
        } catch (error) {
          if (!isConflict(error)) throw error
        }
        await waitUntilReady()
      }),
    async upsert(namespace, records) {
      try {
        const vectors = await index()
        // The client would make text of every number once more: it sends what is text already in the place of a stand-in.
        const body = `{"vectors":[${records.join(',')}],"namespace":${JSON.stringify(namespace)}}`
        await bodies.run(body, () => vectors.upsert({ records: [{ id: 'in the body', values: [1] }], namespace }))
      } catch (error) {
        if (isRefusedContent(error)) throw new RefusedContent(error.message)
        throw pineconeFailure('writing vectors', error, settings)
      }
    },
    delete: (namespace, ids) =>
      tried('deleting vectors', async () => {
        try {
          await (await index()).deleteMany({ ids, namespace })
        } catch (error) {
          if (!isMissing(error)) throw error // Pinecone says so of a namespace without vectors
        }
      }),
    fetch: (namespace, ids) =>
      tried('reading vectors', async () => {
        const found: VectorRecord[] = []
        for (let at = 0; at < ids.length; at += idsPerFetch) {
          const { records } = await (await index()).fetch({ ids: ids.slice(at, at + idsPerFetch), namespace })
          for (const { id, values = [], metadata = {} } of Object.values(records)) found.push({ id, values, metadata })
        }
        return found
      }),
    async *list(namespace, prefix) {
      let token: string | undefined
      do {
        const page = await tried('listing vectors', async () =>
          (await index()).listPaginated({
            namespace,
            ...(prefix === '' ? {} : { prefix }),
            limit: idsPerPage,
            ...(token === undefined ? {} : { paginationToken: token }),
          }),
        )
        const ids = (page.vectors ?? []).flatMap(({ id }) => (id === undefined ? [] : [id]))
        if (ids.length > 0) yield ids
        token = page.pagination?.next
      } while (token !== undefined && token !== '')
    },
    query: (namespace, vector, { topK, filter }) =>
      tried('searching', async () => {
        const shared = { topK, namespace, includeMetadata: true, ...(filter === undefined ? {} : { filter }) }
        const { matches } = await (await index()).query({ vector, ...shared })
        return matches.map(({ id, score = 0, metadata = {} }) => ({ id, score, metadata: metadata as Metadata }))
      }),
    counts: () =>
      tried('counting vectors', async () => {
        const { namespaces = {} } = await (await index()).describeIndexStats()
        return new Map(Object.entries(namespaces).map(([name, { recordCount }]) => [name, recordCount]))
      }),
    during: (signal, work) => signals.run(signal, work),
    check: async () => void (await shape()),
    async close() {},
  }
}
