/** What changes between two versions of a document, and how often: shares as measured on real histories. */
import type { Random } from './random.ts'

/** Kinds of change of a title, with their shares of all changes. Every change moves popularity and votes as well. */
export const titleChanges = {
  /** Popularity and votes, nothing else. */
  votes: 0.456,
  /** People came or went. */
  credits: 0.085,
  /** The same credits in another order. */
  order: 0.19,
  /** A picture of somebody in the credits. */
  profiles: 0.099,
  overview: 0.028,
  title: 0.012,
  genres: 0.01,
  tagline: 0.004,
  /** The field `certification` appears; it does not exist in the first part of a history. */
  certification: 0.03,
  /** Pictures, money, keywords, runtime, episodes. */
  details: 0.086,
} as const

/** A kind of change of a title. */
export type TitleChange = keyof typeof titleChanges

/** Kinds of change of a person, with their shares of all changes. */
export const personChanges = {
  popularity: 0.8,
  picture: 0.1,
  biography: 0.05,
  /** Other names they are known by. */
  names: 0.04,
  death: 0.01,
} as const

/** A kind of change of a person. */
export type PersonChange = keyof typeof personChanges

/** A kind, with the probability of its share. */
export function drawChange<K extends string>(shares: Readonly<Record<K, number>>, random: Random): K {
  let left = random.next()
  let last: K | null = null
  for (const kind of Object.keys(shares) as K[]) {
    last = kind
    left -= shares[kind]
    if (left < 0) break
  }
  return last!
}

/** How often each kind of change has happened to one document. */
export type Versions<K extends string> = Readonly<Record<K, number>>

/** Versions of many documents, two bytes for each kind. */
export interface VersionTable<K extends string> {
  of(index: number): Versions<K>
  /** Counts one more change of this kind. */
  change(index: number, kind: K): void
}

/** Counts of changes per kind for `size` documents, all 0 at first. */
export function versionTable<K extends string>(size: number, shares: Readonly<Record<K, number>>): VersionTable<K> {
  const kinds = Object.keys(shares) as K[]
  const counts = new Uint16Array(size * kinds.length)
  return {
    of: (index) =>
      Object.fromEntries(kinds.map((kind, i) => [kind, counts[index * kinds.length + i]!])) as Record<K, number>,
    change(index, kind) {
      counts[index * kinds.length + kinds.indexOf(kind)]! += 1
    },
  }
}
