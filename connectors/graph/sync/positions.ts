/** What a graph holds of pipelines' positions, and what that means for a commit. Pure. */
import { admits } from '../../../checkpoints/fence.ts'
import { totalsIn } from '../../../checkpoints/totals.ts'
import type { CommitOutcome, SinkCommit, SinkPosition, WriteCounts } from '../../../engine/contracts.ts'
import type { GraphRow } from '../store.ts'

/** Where a pipeline stands in one source partition, and what its last batch wrote. */
export interface StoredPosition {
  readonly sourcePartition: string
  readonly next: bigint
  readonly fingerprint: string
  readonly txnId: string
  readonly written: WriteCounts
  /** Its part of the pipeline's totals, as JSON text; null in a graph that has none yet. */
  readonly totals: string | null
}

/** A position out of a row of `part`, `next`, `fingerprint`, `txn`, `written` and `totals`. */
export function storedPosition(row: GraphRow): StoredPosition {
  return {
    sourcePartition: String(row.part),
    next: BigInt(String(row.next)),
    fingerprint: String(row.fingerprint),
    txnId: String(row.txn),
    written: JSON.parse(String(row.written)) as WriteCounts,
    totals: row.totals == null ? null : String(row.totals),
  }
}

/** What the engine asks a sink for. The position written last comes first. */
export function positionOf(stored: readonly StoredPosition[]): SinkPosition {
  const totals = totalsIn(stored.map((each) => each.totals))
  return {
    position: new Map(stored.map(({ sourcePartition, next }) => [sourcePartition, next])),
    fingerprint: stored[0]?.fingerprint ?? null,
    ...(totals === undefined ? {} : { totals }),
  }
}

/** Why a commit must not happen on top of what is stored; null if it may. */
export function refusalOf(stored: readonly StoredPosition[], commit: SinkCommit): CommitOutcome | null {
  const byPartition = new Map(stored.map((position) => [position.sourcePartition, position]))
  const landed = commit.ranges.map(({ sourcePartition }) => byPartition.get(sourcePartition))
  if (landed.length > 0 && landed.every((position) => position?.txnId === commit.txnId))
    return { kind: 'already-committed', written: landed[0]!.written }
  const { position } = positionOf(stored)
  return admits(position, commit.ranges, commit.initial) ? null : { kind: 'fenced', position }
}
