/** From positions to the ranges of the next batch. Pure. */
import type { Limits, Position, Range } from './contracts.ts'

/** What is there to read: from the pipeline's position (or the configured start) to the source's end. */
export function availableRanges(position: Position, initial: Position, latest: Position): Range[] {
  const ranges: Range[] = []
  for (const [sourcePartition, end] of latest) {
    const start = position.get(sourcePartition) ?? initial.get(sourcePartition) ?? end
    if (start < end) ranges.push({ sourcePartition, start, end })
  }
  return ranges.sort((a, b) => (a.sourcePartition < b.sourcePartition ? -1 : 1))
}

/**
 * Each range's share of a batch's limits: equal parts, and what a short range leaves over goes to the others, so that
 * one busy partition may fill a batch alone.
 */
export function shareLimits(
  counts: readonly number[],
  limits: Pick<Limits, 'maxRecords' | 'maxBytes'>,
): Pick<Limits, 'maxRecords' | 'maxBytes'>[] {
  const records: number[] = counts.map(() => 0)
  let left = limits.maxRecords
  const byNeed = counts.map((_, i) => i).sort((a, b) => counts[a]! - counts[b]!)
  byNeed.forEach((range, done) => {
    const share = Math.floor(left / (byNeed.length - done))
    records[range] = Math.max(1, Math.min(counts[range]!, share))
    left = Math.max(0, left - records[range]!)
  })
  const total = records.reduce((sum, n) => sum + n, 0)
  return records.map((maxRecords) => ({
    maxRecords,
    maxBytes: Math.max(1, Math.floor((limits.maxBytes * maxRecords) / Math.max(1, total))),
  }))
}
