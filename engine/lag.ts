/** How many records are left after a batch. Pure. */
import type { Range, Source } from './contracts.ts'

/** What was there to be read of one source when a batch was planned. */
export interface Available {
  readonly shape: Source['shape']
  readonly ranges: readonly Range[]
  /** Records in each of the ranges, at least. */
  readonly counts: readonly number[]
}

/**
 * Records between where a batch's ranges end and the end that it was planned towards: none in what was read to its end, however
 * many of its offsets held no record. Of topics these are offsets, of which some may hold none; of tables what was counted before, less
 * the rows that were read.
 */
export function lagAfter(available: readonly Available[], read: readonly Range[], rowsIn: number): number {
  const reached = new Map(read.map(({ sourcePartition, end }) => [sourcePartition, end]))
  let lag = 0
  for (const { shape, ranges, counts } of available) {
    let left = 0
    for (const [i, { sourcePartition, start, end }] of ranges.entries()) {
      const at = reached.get(sourcePartition) ?? start
      if (at < end) left += shape === 'records' && at > start ? Number(end - at) : counts[i]!
    }
    lag += shape === 'records' ? left : Math.max(0, left - rowsIn)
  }
  return lag
}
