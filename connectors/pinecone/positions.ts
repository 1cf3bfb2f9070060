/**
 * How far pipelines are, as records of a namespace of ours. Pinecone shows a write to readers some time later: what this process wrote it
 * remembers, and a reader takes the further of the two. What another process wrote may be seen late; see the decision on Pinecone.
 */
import { totalsAfter, totalsIn } from '../../checkpoints/totals.ts'
import type { SinkCommit, SinkPosition, WriteCounts } from '../../engine/contracts.ts'
import type { PineconeIndex, VectorRecord } from './client.ts'
import { ownNamespace, placeholder } from './embedder-record.ts'

/** Where a pipeline stands in one source partition. */
export interface HeldPosition {
  readonly sourcePartition: string
  readonly next: bigint
  readonly fingerprint: string
  readonly txnId: string
  readonly written: WriteCounts
  /** Its part of the pipeline's totals, as JSON text. */
  readonly totals: string
  readonly updatedAt: string
}

const remembered = new WeakMap<PineconeIndex, Map<string, HeldPosition>>()

function memoryOf(index: PineconeIndex): Map<string, HeldPosition> {
  const known = remembered.get(index) ?? new Map<string, HeldPosition>()
  remembered.set(index, known)
  return known
}

function prefixOf(pipeline: string): string {
  return `position/${pipeline}/`
}

/** Newest first; none before the first commit. The index must be there. */
export async function heldPositions(index: PineconeIndex, pipeline: string): Promise<HeldPosition[]> {
  const prefix = prefixOf(pipeline)
  const held = new Map<string, HeldPosition>()
  for await (const ids of index.list(ownNamespace, prefix))
    for (const record of await index.fetch(ownNamespace, ids)) held.set(record.id, positionIn(record))
  for (const [id, own] of memoryOf(index))
    if (id.startsWith(prefix) && own.next >= (held.get(id)?.next ?? own.next)) held.set(id, own)
  return [...held.values()].sort((a, b) => (a.updatedAt === b.updatedAt ? 0 : a.updatedAt < b.updatedAt ? 1 : -1))
}

function positionIn({ metadata }: VectorRecord): HeldPosition {
  return {
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
  const records = commit.ranges.map(({ sourcePartition, end }, i) => ({
    id: `${prefixOf(commit.pipeline)}${sourcePartition}`,
    values: placeholder(to.dimension),
    metadata: {
      pipeline: commit.pipeline,
      source_partition: sourcePartition,
      next: String(end), // beyond 2^53 a number would not be exact
      fingerprint: commit.fingerprint,
      txn_id: commit.txnId,
      written: JSON.stringify(to.written),
      totals: totals[i]!,
      updated_at: updatedAt,
    },
  }))
  await index.upsert(ownNamespace, records)
  for (const record of records) memoryOf(index).set(record.id, positionIn(record))
}
