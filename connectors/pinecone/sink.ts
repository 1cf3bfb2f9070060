/**
 * Vectors in Pinecone, which has no transactions: vectors first, the position last. What a commit that died left behind is what its replay
 * writes again.
 */
import { admits } from '../../checkpoints/fence.ts'
import type { Clock, CommitOutcome, RefusedRow, Sink, SinkCommit, WriteCounts } from '../../engine/contracts.ts'
import type { Connection, Duckdb } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import type { VectorsOptions } from '../vectors/description.ts'
import type { EmbedderIdentity } from '../vectors/embedder-identity.ts'
import { skippedVectors } from '../vectors/skipped.ts'
import { type PineconeIndex, RefusedContent, type VectorRecord } from './client.ts'
import { checkIndex, prepareIndex } from './embedder-record.ts'
import { type HeldPosition, heldPositions, movePosition, positionOf } from './positions.ts'
import { incomingRecords, requests, scan, shownMetadata } from './records.ts'

export interface PineconeSinkOptions {
  readonly index: PineconeIndex
  readonly description: VectorsOptions
  /** The embedder that the description names. */
  readonly embedder: EmbedderIdentity
  readonly duckdb: () => Promise<Duckdb>
  readonly clock: Clock
}

/** Requests under way at once. */
const inFlight = 4

const idsPerDelete = 1000
const longestId = 512

/** A batch that is written, but for its position; or the outcome of one that must not be. */
type Begun =
  | { readonly outcome: CommitOutcome }
  | {
      readonly outcome: null
      readonly held: readonly HeldPosition[]
      readonly written: WriteCounts
      readonly refused: readonly RefusedRow[]
    }

/**
 * Upserts and deletes vectors by id. An id that one batch both upserts and deletes is upserted; of several rows with one id the greatest
 * wins. Counts `upserted` and `deleted` (ids that were asked for, there or not). The index is made when it is missing. `SINK_FAILED`,
 * `PINECONE_REFUSED` at the first question for one that does not fit the embedder. The client stays open: it is the process's.
 */
export function pineconeSink(options: PineconeSinkOptions): Sink {
  const { index, embedder, description } = options
  let prepared: { readonly txnId: string; readonly begun: Begun } | null = null
  return {
    name: `store vectors/${description.namespace}`,
    delivery: 'idempotent',
    async position(pipeline) {
      return positionOf((await checkIndex(index, embedder)) ? await heldPositions(index, pipeline) : [])
    },
    async prepare(commit) {
      const begun = await begin(options, commit)
      prepared = { txnId: commit.txnId, begun }
      return begun.outcome === null ? begun.refused : []
    },
    async abandon() {
      prepared = null
    },
    async commit(commit) {
      faultPoint('sink-begin')
      const begun = prepared?.txnId === commit.txnId ? prepared.begun : await beginUnprepared(options, commit)
      if (begun.outcome !== null) return begun.outcome
      const { held, written } = begun
      faultPoint('store-before-commit')
      const { dimension } = embedder
      await movePosition(index, commit, { held, written, dimension, nowMs: options.clock.nowMs() }) // the commit point
      faultPoint('store-after-commit')
      return { kind: 'committed', written }
    },
    async close() {},
  }
}

/** Without a preparation nobody sets refused rows aside. */
async function beginUnprepared(options: PineconeSinkOptions, commit: SinkCommit): Promise<Begun> {
  const begun = await begin(options, commit)
  const first = begun.outcome === null ? begun.refused[0] : undefined
  if (first === undefined) return begun
  throw new MillraceError('SINK_FAILED', `pinecone refuses a vector: ${first.message}: ${first.row.slice(0, 120)}`, {
    context: { namespace: options.description.namespace },
  })
}

async function begin(options: PineconeSinkOptions, commit: SinkCommit): Promise<Begun> {
  const { index, embedder, description } = options
  const exists = await checkIndex(index, embedder)
  const held = exists ? await heldPositions(index, commit.pipeline) : []
  const byPartition = new Map(held.map((each) => [each.sourcePartition, each]))
  const landed = commit.ranges.map(({ sourcePartition }) => byPartition.get(sourcePartition))
  if (landed.length > 0 && landed.every((each) => each?.txnId === commit.txnId))
    return { outcome: { kind: 'already-committed', written: landed[0]!.written } }
  const { position } = positionOf(held)
  if (!admits(position, commit.ranges, commit.initial)) return { outcome: { kind: 'fenced', position } }
  await prepareIndex(index, embedder)
  const duckdb = await options.duckdb()
  const { upserted, deleted, refused } = await duckdb.withConnection((connection) => write(connection, options, commit))
  const written = { upserted, deleted, ...skippedVectors(description, commit.outputs) }
  return { outcome: null, held, written, refused }
}

async function write(
  connection: Connection,
  { index, description, embedder }: PineconeSinkOptions,
  commit: SinkCommit,
) {
  const { namespace, upserts, deletes = '' } = description
  const files = commit.outputs.get(upserts) ?? []
  const refused: RefusedRow[] = []
  const refusedIds: string[] = []
  let upserted = 0
  if (files.length > 0) {
    await checkDimension(connection, files, { namespace, dimension: embedder.dimension })
    await together(requests(incomingRecords(connection, files)), commit.signal, async (request) => {
      const rejected = await upsert(index, namespace, request)
      upserted += request.length - rejected.length
      refused.push(...rejected.map(({ record, message }) => refusedRow(upserts, record, message)))
      refusedIds.push(...rejected.map(({ record }) => record.id).filter((id) => id !== '' && id.length <= longestId))
    })
  }
  const gone = await goneIds(connection, commit.outputs.get(deletes) ?? [], files)
  const outdated = refusedIds.sort() // what they were before is not what they are
  await together(pages([...gone, ...outdated]), commit.signal, (ids) => index.delete(namespace, ids))
  return { upserted, deleted: gone.length, refused: refused.sort((a, b) => (a.row < b.row ? -1 : 1)) }
}

async function checkDimension(
  connection: Connection,
  files: readonly ParquetFile[],
  { namespace, dimension }: { readonly namespace: string; readonly dimension: number },
): Promise<void> {
  const [bad] = await connection.rows(
    `SELECT id::VARCHAR AS id, len(embedding) AS length FROM ${scan(files)}
     WHERE id IS NULL OR embedding IS NULL OR len(embedding) <> ${dimension} ORDER BY id LIMIT 1`,
  )
  if (bad === undefined) return
  throw new MillraceError(
    'SINK_FAILED',
    `vector of ${bad.id} has ${bad.length ?? 'no'} dimensions, namespace ${namespace} has ${dimension} ` +
      '(embed it with the embedder that the sink names)',
    { context: { namespace, id: bad.id } },
  )
}

async function goneIds(
  connection: Connection,
  deletes: readonly ParquetFile[],
  upserts: readonly ParquetFile[],
): Promise<string[]> {
  if (deletes.length === 0) return []
  const kept = upserts.length === 0 ? '' : `WHERE id::VARCHAR NOT IN (SELECT id::VARCHAR FROM ${scan(upserts)})`
  const rows = await connection.rows(`SELECT DISTINCT id::VARCHAR AS id FROM ${scan(deletes)} ${kept} ORDER BY id`)
  return rows.map((row) => String(row.id))
}

async function* pages(ids: readonly string[]): AsyncGenerator<string[]> {
  for (let at = 0; at < ids.length; at += idsPerDelete) yield ids.slice(at, at + idsPerDelete)
}

interface Rejected {
  readonly record: VectorRecord
  readonly message: string
}

/** Writes all that Pinecone takes, and finds what it does not by halving the request. */
async function upsert(index: PineconeIndex, namespace: string, records: VectorRecord[]): Promise<Rejected[]> {
  if (records.length === 0) return []
  try {
    await index.upsert(namespace, records)
    return []
  } catch (error) {
    if (!(error instanceof RefusedContent)) throw error
    if (records.length === 1) return [{ record: records[0]!, message: error.message }]
    const middle = records.length >> 1
    return [
      ...(await upsert(index, namespace, records.slice(0, middle))),
      ...(await upsert(index, namespace, records.slice(middle))),
    ]
  }
}

function refusedRow(input: string, { id, metadata }: VectorRecord, message: string): RefusedRow {
  return { input, row: JSON.stringify({ id, ...shownMetadata(metadata) }), message: `Pinecone: ${message}` }
}

/** Works on several at a time; the first failure ends it once the others are done. */
async function together<T>(
  items: AsyncIterable<T>,
  signal: AbortSignal,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const running = new Set<Promise<void>>()
  let failed: { readonly error: unknown } | null = null
  for await (const item of items) {
    signal.throwIfAborted()
    const one: Promise<void> = work(item)
      .then(
        () => {},
        (error: unknown) => {
          failed ??= { error }
        },
      )
      .finally(() => running.delete(one))
    running.add(one)
    if (running.size >= inFlight) await Promise.race(running)
    if (failed !== null) break
  }
  await Promise.all(running)
  if (failed !== null) throw (failed as { readonly error: unknown }).error
}
