/** A pipeline's position in the graph: one node per source partition. */
import { totalsAfter } from '../../checkpoints/totals.ts'
import type { SinkCommit, WriteCounts } from '../../engine/contracts.ts'
import { positionLabel } from '../graph/sync/catalog.ts'
import { type StoredPosition, storedPosition } from '../graph/sync/positions.ts'
import type { RunCypher } from './database.ts'

/** Positions of a pipeline, the last one written first; none before the first commit. */
export async function readPositions(run: RunCypher, pipeline: string): Promise<StoredPosition[]> {
  const tables = await run('CALL show_tables() RETURN name')
  if (!tables.some((table) => table.name === positionLabel)) return []
  const properties = await run(`CALL table_info('${positionLabel}') RETURN name`)
  const totals = properties.some((property) => property.name === 'totals') ? 'p.totals' : 'NULL'
  const rows = await run(
    `MATCH (p:${positionLabel}) WHERE p.pipeline = $pipeline
     RETURN p.source_partition AS part, CAST(p.next_version AS STRING) AS next, p.fingerprint AS fingerprint,
       p.txn_id AS txn, p.written AS written, ${totals} AS totals ORDER BY p.updated_at DESC, p.source_partition`,
    { pipeline },
  )
  return rows.map(storedPosition)
}

/** Moves the position to the end of the commit's ranges, in the transaction that `run` belongs to. */
export async function movePosition(
  run: RunCypher,
  commit: SinkCommit,
  {
    stored,
    written,
    nowMs,
  }: { readonly stored: readonly StoredPosition[]; readonly written: WriteCounts; readonly nowMs: number },
): Promise<void> {
  const held = new Map(stored.map(({ sourcePartition, totals }) => [sourcePartition, totals]))
  const totals = totalsAfter(held, commit.ranges, written)
  for (const [i, { sourcePartition, end }] of commit.ranges.entries())
    await run(
      `MERGE (p:${positionLabel} {id: $id}) SET p.pipeline = $pipeline, p.source_partition = $part,
         p.next_version = CAST($next AS INT64), p.fingerprint = $fingerprint, p.txn_id = $txn, p.written = $written, p.totals = $totals,
         p.updated_at = CAST($updated AS TIMESTAMP)`,
      {
        id: `${commit.pipeline}/${sourcePartition}`,
        pipeline: commit.pipeline,
        part: sourcePartition,
        next: String(end),
        fingerprint: commit.fingerprint,
        txn: commit.txnId,
        written: JSON.stringify(written),
        totals: totals[i]!,
        updated: new Date(nowMs).toISOString(),
      },
    )
}
