/** Names that somebody may have meant. Pure. */

/** All of `names`, those that differ least from `wanted` first; of equals, in the order given. */
export function closestFirst(wanted: string, names: readonly string[]): string[] {
  const distances = new Map(names.map((name) => [name, differences(wanted.toLowerCase(), name.toLowerCase())]))
  return names.toSorted((a, b) => distances.get(a)! - distances.get(b)!)
}

/** How many characters must be put in, taken out or replaced to make one of the other (Levenshtein). */
export function differences(left: string, right: string): number {
  let above = Array.from({ length: right.length + 1 }, (_, i) => i)
  for (let i = 1; i <= left.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= right.length; j += 1) {
      const replaced = above[j - 1]! + (left[i - 1] === right[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, above[j]! + 1, row[j - 1]! + 1))
    }
    above = row
  }
  return above[right.length]!
}
