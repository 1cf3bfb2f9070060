/** What all commits of a pipeline wrote to a sink. Pure. */
import type { Range, WriteCounts } from '../engine/contracts.ts'

/** The sums of two, by name. */
export function addCounts(left: WriteCounts, right: WriteCounts): WriteCounts {
  const sums: Record<string, number> = { ...left }
  for (const [what, count] of Object.entries(right)) sums[what] = (sums[what] ?? 0) + count
  return sums
}

/**
 * The sum of what the positions of a pipeline hold of its totals, each as JSON text. Stores made before there were totals hold none: they are
 * counted from the first commit on that finds them missing. Undefined where no position holds any.
 */
export function totalsIn(parts: readonly (string | null)[]): WriteCounts | undefined {
  const known = parts.flatMap((part) => (part === null ? [] : [JSON.parse(part) as WriteCounts]))
  return known.length === 0 ? undefined : known.reduce(addCounts)
}

/**
 * What the position of each of a commit's source partitions holds of the totals afterwards. The first of them takes what was written: so nobody else
 * who moves other partitions at the same time can undo it.
 * @param held what the positions hold before, by source partition
 */
export function totalsAfter(
  held: ReadonlyMap<string, string | null>,
  ranges: readonly Pick<Range, 'sourcePartition'>[],
  written: WriteCounts,
): string[] {
  return ranges.map(({ sourcePartition }, i) => {
    const before = JSON.parse(held.get(sourcePartition) ?? '{}') as WriteCounts
    return JSON.stringify(i === 0 ? addCounts(before, written) : before)
  })
}
