/** A pipeline's position in the graph: one node per source partition. */
import { totalsAfter } from '../../checkpoints/totals.ts'
import type { SinkCommit, WriteCounts } from '../../engine/contracts.ts'
import { positionLabel } from '../graph/sync/catalog.ts'
import { type StoredPosition, storedPosition } from '../graph/sync/positions.ts'
import type { RunStatement } from './client.ts'

/** Positions of a pipeline, the last one written first; none before the first commit. */
export async function readPositions(run: RunStatement, pipeline: string): Promise<StoredPosition[]> {
  const rows = await run(
    `MATCH (p:${positionLabel}) WHERE p.pipeline = $pipeline
     RETURN p.source_partition AS part, p.next_version AS next, p.fingerprint AS fingerprint, p.txn_id AS txn,
       p.written AS written, p.totals AS totals ORDER BY p.updated_at DESC, p.source_partition`,
    { pipeline },
  )
  return rows.map(storedPosition)
}

/** Moves the position to the end of the commit's ranges, in the transaction that `run` belongs to. */
export async function movePosition(
  run: RunStatement,
  commit: SinkCommit,
  {
    stored,
    written,
    nowMs,
  }: { readonly stored: readonly StoredPosition[]; readonly written: WriteCounts; readonly nowMs: number },
): Promise<void> {
  const held = new Map(stored.map(({ sourcePartition, totals }) => [sourcePartition, totals]))
  const totals = totalsAfter(held, commit.ranges, written)
  const { pipeline, fingerprint, txnId } = commit
  await run(
    `UNWIND $rows AS row MERGE (p:${positionLabel} {id: row[0]})
     SET p.pipeline = $pipeline, p.source_partition = row[1], p.next_version = row[2], p.totals = row[3],
       p.fingerprint = $fingerprint, p.txn_id = $txnId, p.written = $written, p.updated_at = datetime($updated)`,
    {
      rows: commit.ranges.map(({ sourcePartition, end }, i) => [
        `${pipeline}/${sourcePartition}`,
        sourcePartition,
        end,
        totals[i]!,
      ]),
      pipeline,
      fingerprint,
      txnId,
      written: JSON.stringify(written),
      updated: new Date(nowMs).toISOString(),
    },
  )
}
