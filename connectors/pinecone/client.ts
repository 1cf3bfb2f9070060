/** One index of Pinecone, through its own client: the only file that knows the client's calls. */
import { Pinecone as PineconeClient } from '@pinecone-database/pinecone'
import type { Clock, Ids } from '../../engine/contracts.ts'
import { isConflict, isMissing, isRefusedContent, pineconeFailure } from './failures.ts'
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
  readonly dimension: number
  readonly metric: string
}

/** Pinecone refuses a request for what is in it. The message is its own. */
export class RefusedContent extends Error {}

/** What is used of an index. Errors are ours: `PINECONE_REFUSED`, `PINECONE_UNREACHABLE` (retryable), `SINK_FAILED`. */
export interface PineconeIndex {
  readonly settings: PineconeSettings
  /** Null where there is no such index. */
  shape(): Promise<IndexShape | null>
  /** Makes the index and waits until it can be written. Fine if somebody else did. */
  create(dimension: number): Promise<void>
  /** @throws RefusedContent */
  upsert(namespace: string, records: VectorRecord[]): Promise<void>
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
  /** Throws if the service does not let us in. */
  check(): Promise<void>
  close(): Promise<void>
}

export interface PineconeOptions extends Partial<Omit<PatienceOptions, 'clock' | 'ids'>> {
  readonly settings: PineconeSettings
  readonly clock: Clock
  readonly ids: Ids
}

const idsPerFetch = 100 // they go into the address
const idsPerPage = 100
const creationTimeoutMs = 300_000

/** Connects to nothing yet. */
export function openPinecone({ settings, ...options }: PineconeOptions): PineconeIndex {
  const client = new PineconeClient({
    apiKey: settings.apiKey,
    ...(settings.controllerHost === null ? {} : { controllerHostUrl: settings.controllerHost }),
    fetchApi: patientFetch({ ...defaultPatience, ...options }),
    maxRetries: 0, // the fetch above does, 429 included
  })
  const index = () => client.index({ name: settings.index })
  const tried = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw pineconeFailure(what, error, settings)
    }
  }
  const shape = () =>
    tried('looking for it', async () => {
      try {
        const { dimension = 0, metric } = await client.describeIndex(settings.index)
        return { dimension, metric }
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
        const { cloud, region } = settings
        try {
          await client.createIndex({
            name: settings.index,
            dimension,
            metric: 'cosine',
            spec: { serverless: { cloud: cloud as 'aws', region } },
            waitUntilReady: true,
            timeout: creationTimeoutMs,
          })
        } catch (error) {
          if (!isConflict(error)) throw error
        }
      }),
    async upsert(namespace, records) {
      try {
        await index().upsert({ records, namespace })
      } catch (error) {
        if (isRefusedContent(error)) throw new RefusedContent(error.message)
        throw pineconeFailure('writing vectors', error, settings)
      }
    },
    delete: (namespace, ids) => tried('deleting vectors', () => index().deleteMany({ ids, namespace })),
    fetch: (namespace, ids) =>
      tried('reading vectors', async () => {
        const found: VectorRecord[] = []
        for (let at = 0; at < ids.length; at += idsPerFetch) {
          const { records } = await index().fetch({ ids: ids.slice(at, at + idsPerFetch), namespace })
          for (const { id, values = [], metadata = {} } of Object.values(records)) found.push({ id, values, metadata })
        }
        return found
      }),
    async *list(namespace, prefix) {
      let token: string | undefined
      do {
        const page = await tried('listing vectors', () =>
          index().listPaginated({
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
        const { matches } = await index().query({ vector, ...shared })
        return matches.map(({ id, score = 0, metadata = {} }) => ({ id, score, metadata: metadata as Metadata }))
      }),
    counts: () =>
      tried('counting vectors', async () => {
        const { namespaces = {} } = await index().describeIndexStats()
        return new Map(Object.entries(namespaces).map(([name, { recordCount }]) => [name, recordCount]))
      }),
    check: async () => void (await shape()),
    async close() {},
  }
}
