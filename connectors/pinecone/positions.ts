/**
 * How far pipelines are, as records of a namespace of ours. Pinecone shows a write to readers some time later, and knows no write that depends on
 * what is there: what a reader sees may be old, and `settled` says what it is taken for.
 */
import { totalsAfter, totalsIn } from '../../checkpoints/totals.ts'
import type { Range, SinkCommit, SinkPosition, WriteCounts } from '../../engine/contracts.ts'
import type { PineconeIndex, VectorRecord } from './client.ts'
import { ownNamespace, placeholder } from './embedder-record.ts'

/** Where a pipeline stands in one source partition. */
export interface HeldPosition {
  readonly pipeline: string
  readonly sourcePartition: string
  readonly next: bigint
  readonly fingerprint: string
  readonly txnId: string
  readonly written: WriteCounts
  /** Its part of the pipeline's totals, as JSON text. */
  readonly totals: string
  readonly updatedAt: string
}

/** What a process knows of one position from what it did itself. */
export interface OwnPosition {
  /** What it wrote last. */
  readonly last: HeldPosition | null
  /** Transactions of positions that are older than `last`: it wrote them, or saw them before it wrote. */
  readonly older: ReadonlySet<string>
  /** The batch whose vectors it has begun to write since. */
  readonly begun: { readonly start: bigint; readonly txnId: string } | null
}

/**
 * Where a partition stands, by what the store shows and what this process did. What it wrote itself counts however late it is shown. A position that it
 * neither wrote nor saw before is another process's, older or newer, nobody can tell: the lesser of the two counts, since to write a batch again does no
 * harm, and to pass one over does. Nor does it pass over a batch that it has begun: its vectors may be over newer ones. Pure.
 */
export function settled(shown: HeldPosition | undefined, own: OwnPosition | undefined): HeldPosition | undefined {
  if (own === undefined) return shown
  const { last, older, begun } = own
  if (begun !== null && shown?.txnId === begun.txnId) return shown // its answer got lost
  const foreign = shown !== undefined && shown.txnId !== last?.txnId && !older.has(shown.txnId)
  const chosen = foreign && (last === null || shown.next < last.next) ? shown : (last ?? shown)
  return chosen !== undefined && begun !== null && chosen.next > begun.start ? { ...chosen, next: begun.start } : chosen
}

const remembered = new WeakMap<PineconeIndex, Map<string, OwnPosition>>()

function memoryOf(index: PineconeIndex): Map<string, OwnPosition> {
  const known = remembered.get(index) ?? new Map<string, OwnPosition>()
  remembered.set(index, known)
  return known
}

function prefixOf(pipeline: string): string {
  return `position/${pipeline}/`
}

/** Newest first; none before the first commit. The index must be there. */
export async function heldPositions(index: PineconeIndex, pipeline: string): Promise<HeldPosition[]> {
  const prefix = prefixOf(pipeline)
  const shown = new Map<string, HeldPosition>()
  for await (const ids of index.list(ownNamespace, prefix))
    for (const record of await index.fetch(ownNamespace, ids)) shown.set(record.id, positionIn(record))
  const own = memoryOf(index)
  const ids = new Set([...shown.keys(), ...[...own.keys()].filter((id) => id.startsWith(prefix))])
  return [...ids]
    .flatMap((id) => settled(shown.get(id), own.get(id)) ?? [])
    .filter((held) => held.pipeline === pipeline) // the name of another may begin so
    .sort((a, b) => (a.updatedAt === b.updatedAt ? 0 : a.updatedAt < b.updatedAt ? 1 : -1))
}

/** Of the partitions of a commit alone: one request. */
export async function positionsBefore(
  index: PineconeIndex,
  { pipeline, ranges }: Pick<SinkCommit, 'pipeline' | 'ranges'>,
): Promise<HeldPosition[]> {
  const ids = ranges.map((range) => idOf(pipeline, range))
  const shown = new Map((await index.fetch(ownNamespace, ids)).map((record) => [record.id, positionIn(record)]))
  return ids.flatMap((id) => settled(shown.get(id), memoryOf(index).get(id)) ?? [])
}

function idOf(pipeline: string, { sourcePartition }: Pick<Range, 'sourcePartition'>): string {
  return `${prefixOf(pipeline)}${sourcePartition}`
}

function positionIn({ metadata }: VectorRecord): HeldPosition {
  return {
    pipeline: String(metadata.pipeline),
    sourcePartition: String(metadata.source_partition),
    next: BigInt(String(metadata.next)),
    fingerprint: String(metadata.fingerprint),
    txnId: String(metadata.txn_id),
    written: JSON.parse(String(metadata.written)) as WriteCounts,
    totals: String(metadata.totals),
    updatedAt: String(metadata.updated_at),
  }
}

/** As the engine asks for it. */
export function positionOf(held: readonly HeldPosition[]): SinkPosition {
  const totals = totalsIn(held.map((each) => each.totals))
  return {
    position: new Map(held.map(({ sourcePartition, next }) => [sourcePartition, next])),
    fingerprint: held[0]?.fingerprint ?? null,
    ...(totals === undefined ? {} : { totals }),
  }
}

/** Notes that vectors of the commit's ranges are about to be written. `held`: what it was admitted on. */
export function beginRanges(index: PineconeIndex, commit: SinkCommit, held: readonly HeldPosition[]): void {
  const memory = memoryOf(index)
  for (const range of commit.ranges) {
    const id = idOf(commit.pipeline, range)
    const { last = null, older = new Set<string>() } = memory.get(id) ?? {}
    const seen = held.find(({ sourcePartition }) => sourcePartition === range.sourcePartition)
    const begun = { start: range.start, txnId: commit.txnId }
    memory.set(id, { last, older: seen === undefined ? older : recent(older, seen.txnId), begun })
  }
}

/** Notes that these are what this process wrote last. */
export function rememberPositions(index: PineconeIndex, written: readonly HeldPosition[]): void {
  const memory = memoryOf(index)
  for (const position of written) {
    const id = idOf(position.pipeline, position)
    const { last = null, older = new Set<string>() } = memory.get(id) ?? {}
    memory.set(id, { last: position, older: last === null ? older : recent(older, last.txnId), begun: null })
  }
}

/** Writes where the ranges end: the last thing that a commit does. */
export async function movePosition(
  index: PineconeIndex,
  commit: SinkCommit,
  to: {
    readonly held: readonly HeldPosition[]
    readonly written: WriteCounts
    readonly dimension: number
    readonly nowMs: number
  },
): Promise<void> {
  if (commit.ranges.length === 0) return
  const before = new Map(to.held.map(({ sourcePartition, totals }) => [sourcePartition, totals]))
  const totals = totalsAfter(before, commit.ranges, to.written)
  const updatedAt = new Date(to.nowMs).toISOString()
  const records = commit.ranges.map((range, i) => ({
    id: idOf(commit.pipeline, range),
    values: placeholder(to.dimension),
    metadata: {
      pipeline: commit.pipeline,
      source_partition: range.sourcePartition,
      next: String(range.end), // beyond 2^53 a number would not be exact
      fingerprint: commit.fingerprint,
      txn_id: commit.txnId,
      written: JSON.stringify(to.written),
      totals: totals[i]!,
      updated_at: updatedAt,
    },
  }))
  for (let at = 0; at < records.length; at += mostPositions)
    await index.upsert(
      ownNamespace,
      records.slice(at, at + mostPositions).map((record) => JSON.stringify(record)),
    )
  rememberPositions(index, records.map(positionIn))
}

/** Positions that one request carries, whatever the dimension of the index. */
const mostPositions = 40

/** A set with one more, without those that are too old to be shown. */
function recent(older: ReadonlySet<string>, txnId: string): ReadonlySet<string> {
  return new Set([...older, txnId].slice(-100))
}
