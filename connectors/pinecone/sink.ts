/**
 * Vectors in Pinecone, which has no transactions: vectors first, the position last. What a commit that died left behind is what its replay
 * writes again.
 */
import { setImmediate } from 'node:timers/promises'
import { admits } from '../../checkpoints/fence.ts'
import type {
  Clock,
  CommitOutcome,
  RefusedRow,
  RowRefusingSink,
  SinkCommit,
  WriteCounts,
} from '../../engine/contracts.ts'
import type { Connection, Duckdb } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import type { VectorsOptions } from '../vectors/description.ts'
import type { EmbedderIdentity } from '../vectors/embedder-identity.ts'
import { checkVectors, refusedVectors, scan, takenRows } from '../vectors/incoming.ts'
import { skippedVectors } from '../vectors/skipped.ts'
import type { PineconeIndex } from './client.ts'
import { checkIndex, noteNamespace, prepareIndex } from './embedder-record.ts'
import {
  beginRanges,
  type HeldPosition,
  heldPositions,
  movePosition,
  positionOf,
  positionsBefore,
  rememberPositions,
} from './positions.ts'
import { incomingRecords, requests, shownMetadata, type WrittenRecord } from './records.ts'
import { isId, upload } from './upload.ts'

export interface PineconeSinkOptions {
  readonly index: PineconeIndex
  readonly description: VectorsOptions
  /** The embedder that the description names. */
  readonly embedder: EmbedderIdentity
  readonly duckdb: () => Promise<Duckdb>
  readonly clock: Clock
}

/** Requests of a batch that are under way at once. */
export const inFlight = 4

const idsPerDelete = 1000

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
 * wins. Counts `upserted` and `deleted` (ids that were asked for, there or not). The index is made when it is missing, and the namespace is there from the first batch, vectors or not. `SINK_FAILED`,
 * `PINECONE_REFUSED` at the first question for one that does not fit the embedder. The client stays open: it is the process's.
 */
export function pineconeSink(options: PineconeSinkOptions): RowRefusingSink {
  const { index, embedder, description } = options
  let prepared: { readonly txnId: string; readonly begun: Begun } | null = null
  return {
    name: `store vectors/${description.namespace}`,
    delivery: 'idempotent',
    async position(pipeline) {
      const state = await checkIndex(index, embedder)
      return positionOf(state === 'missing' ? [] : await heldPositions(index, pipeline))
    },
    prepare: (commit) =>
      index.during(commit.signal, async () => {
        prepared = null
        const begun = await begin(options, commit)
        prepared = { txnId: commit.txnId, begun }
        return begun.outcome === null ? begun.refused : []
      }),
    async abandon() {
      prepared = null
    },
    commit: (commit) =>
      index.during(commit.signal, async () => {
        faultPoint('sink-begin')
        const begun = prepared?.txnId === commit.txnId ? prepared.begun : await beginUnprepared(options, commit)
        if (begun.outcome !== null) return begun.outcome
        const { held, written } = begun
        faultPoint('store-before-commit')
        const { dimension } = embedder
        await movePosition(index, commit, { held, written, dimension, nowMs: options.clock.nowMs() }) // the commit point
        prepared = null
        faultPoint('store-after-commit')
        return { kind: 'committed', written }
      }),
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
  const state = await checkIndex(index, embedder)
  const held = state === 'missing' ? [] : await positionsBefore(index, commit)
  if (held.length === commit.ranges.length && held.length > 0 && held.every((each) => each.txnId === commit.txnId)) {
    rememberPositions(index, held)
    return { outcome: { kind: 'already-committed', written: held[0]!.written } }
  }
  if (!admits(positionOf(held).position, commit.ranges, commit.initial)) {
    const { position } = positionOf(state === 'missing' ? [] : await heldPositions(index, commit.pipeline))
    return { outcome: { kind: 'fenced', position } }
  }
  await prepareIndex(index, embedder, state)
  const { namespace, upserts } = description
  const isEmpty = held.length === 0 && (commit.outputs.get(upserts) ?? []).length === 0
  if (isEmpty) await noteNamespace(index, { namespace, dimension: embedder.dimension })
  beginRanges(index, commit, held)
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
    await checkVectors(connection, files, { namespace, dimension: embedder.dimension })
    refused.push(...(await refusedVectors(connection, { input: upserts, files, demand: 'vector' })))
    const ids = await connection.rows(
      `SELECT DISTINCT id::VARCHAR AS id FROM ${scan(files)} EXCEPT SELECT id::VARCHAR FROM ${takenRows(files, 'vector')}`,
    )
    refusedIds.push(...ids.flatMap(({ id }) => (id === null ? [] : [String(id)])).filter(isId))
    await together(requests(incomingRecords(connection, files)), commit.signal, async (request) => {
      const rejected = await upload(index, namespace, request)
      upserted += request.length - rejected.length
      refused.push(...rejected.map(({ record, message }) => refusedRow(upserts, record, message)))
      refusedIds.push(...rejected.map(({ record }) => record.id).filter(isId))
    })
  }
  const gone = await goneIds(connection, commit.outputs.get(deletes) ?? [], files)
  const outdated = refusedIds.sort() // what they were before is not what they are
  await together(pages([...gone, ...outdated]), commit.signal, (ids) => index.delete(namespace, ids))
  return { upserted, deleted: gone.length, refused: refused.sort((a, b) => (a.row < b.row ? -1 : 1)) }
}

async function goneIds(
  connection: Connection,
  deletes: readonly ParquetFile[],
  upserts: readonly ParquetFile[],
): Promise<string[]> {
  if (deletes.length === 0) return []
  const kept = upserts.length === 0 ? '' : `AND id::VARCHAR NOT IN (SELECT id::VARCHAR FROM ${scan(upserts)})`
  const rows = await connection.rows(
    `SELECT DISTINCT id::VARCHAR AS id FROM ${scan(deletes)} WHERE id IS NOT NULL ${kept} ORDER BY id`,
  )
  return rows.map((row) => String(row.id)).filter(isId) // what cannot be there is not there
}

async function* pages(ids: readonly string[]): AsyncGenerator<string[]> {
  for (let at = 0; at < ids.length; at += idsPerDelete) yield ids.slice(at, at + idsPerDelete)
}

function refusedRow(input: string, { id, metadata }: WrittenRecord, message: string): RefusedRow {
  return { input, row: JSON.stringify({ id, ...shownMetadata(metadata) }), message }
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
    else await setImmediate() // what was begun is sent before more is made ready
    if (failed !== null) break
  }
  await Promise.all(running)
  if (failed !== null) throw (failed as { readonly error: unknown }).error
}
