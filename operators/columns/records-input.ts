/** Ranges of a record source, read within a batch's bounds. */
import type { Table as ArrowTable } from 'apache-arrow'
import { payloadBytes } from '../../engine/batch/record-columns.ts'
import type { Clock, Limits, Range, RecordReader } from '../../engine/contracts.ts'

/** What was really read. */
export interface RangesRead {
  /** The same starts, each end where reading stopped. */
  readonly ranges: readonly Range[]
  readonly rows: number
  readonly bytes: number
}

/** When reading for a batch ends. */
export interface ReadBounds {
  readonly limits: Pick<Limits, 'maxBytes' | 'maxAgeMs'>
  readonly clock: Clock
  readonly signal: AbortSignal
}

/**
 * Reads each range in turn and hands its tables to `take`. The bytes are shared out by the ranges' lengths, what one
 * leaves going to the next, so that a full partition starves no other. Past the age limit each further range still
 * gives its first table: every partition moves. How many records are read is for the ranges to bound.
 */
export async function readRanges(
  reader: RecordReader,
  ranges: readonly Range[],
  { limits, clock, signal }: ReadBounds,
  take: (table: ArrowTable) => Promise<void>,
): Promise<RangesRead> {
  const deadlineMs = clock.nowMs() + limits.maxAgeMs
  const read: Range[] = []
  let rows = 0
  let bytes = 0
  for (const [i, range] of ranges.entries()) {
    const maxBytes = shareOf(limits.maxBytes - bytes, ranges.slice(i))
    let end = range.start
    if (range.start < range.end)
      for await (const chunk of reader.read(range, { maxBytes, signal })) {
        signal.throwIfAborted()
        for (const batch of chunk.table.batches) bytes += payloadBytes(batch)
        rows += chunk.table.numRows
        if (chunk.table.numRows > 0) await take(chunk.table)
        end = chunk.end
        if (clock.nowMs() >= deadlineMs) break
      }
    read.push({ ...range, end })
  }
  return { ranges: read, rows, bytes }
}

/** What the first of the ranges still to be read gets of the bytes that are left. */
function shareOf(leftBytes: number, [first, ...others]: readonly Range[]): number {
  const records = Number(first!.end - first!.start)
  const all = others.reduce((sum, range) => sum + Number(range.end - range.start), records)
  return Math.max(1, Math.floor(leftBytes * (all === 0 ? 1 : records / all)))
}
