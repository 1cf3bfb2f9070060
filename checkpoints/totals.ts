/** What all commits of a pipeline wrote to a sink. Pure. */
import type { WriteCounts } from '../engine/contracts.ts'

/** The sums of two, by name. */
export function addCounts(left: WriteCounts, right: WriteCounts): WriteCounts {
  const sums: Record<string, number> = { ...left }
  for (const [what, count] of Object.entries(right)) sums[what] = (sums[what] ?? 0) + count
  return sums
}
