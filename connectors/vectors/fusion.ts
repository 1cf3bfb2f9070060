/** One order of what was found by name and what was found by meaning. Pure. */
import type { Match, TitleColumns } from './store.ts'

/** By how much a place among the first counts less than the one before: the usual constant of reciprocal rank fusion. */
const rankOffset = 60
/** A hit whose title has all words of the text counts more than one that is only near. */
const wordsWeight = 1.5

/**
 * At most `topK`: those whose title is the text, then the others by the sum over both lists of the reciprocals of their places. Each vector once.
 */
export function fused(
  { exact, words, near }: { readonly [list in 'exact' | 'words' | 'near']: readonly Match[] },
  topK: number,
): Match[] {
  const first = new Map(exact.map((match) => [keyOf(match), match]))
  const rest = new Map<string, { readonly match: Match; score: number }>()
  for (const [list, weight] of [
    [words, wordsWeight],
    [near, 1],
  ] as const)
    for (const [rank, match] of list.entries()) {
      const key = keyOf(match)
      if (first.has(key)) continue
      const known = rest.get(key) ?? { match, score: 0 }
      known.score += weight / (rankOffset + rank + 1)
      rest.set(key, known)
    }
  const others = [...rest.values()].sort((a, b) => b.score - a.score).map(({ match }) => match)
  return [...first.values(), ...others].slice(0, topK)
}

/** The order of those that have one title. */
export function heaviestFirst({ mostFirst }: TitleColumns): (a: Match, b: Match) => number {
  const weight = ({ metadata }: Match) => Number(metadata[mostFirst] ?? 0) || 0
  return (a, b) => weight(b) - weight(a)
}

function keyOf({ namespace, id }: Match): string {
  return JSON.stringify([namespace, id])
}
