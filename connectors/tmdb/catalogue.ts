/** Who and what exists in a generated catalogue: ids, kinds, popularity. Nothing is stored: all follows from the seed. */
import { normal, type Random, randomOf } from './random.ts'
import { imagePath, personName } from './words.ts'

/** The size of a generated catalogue; with the seed it decides everything in it. */
export interface Catalogue {
  readonly seed: number
  /** Movies and series together. */
  readonly titles: number
  /** Person 0 is the most popular one. */
  readonly people: number
}

/** What stays the same in all versions of a title. */
export interface Title {
  /** Titles arrive in the order of their index. */
  readonly index: number
  readonly type: 'movie' | 'tv_series'
  /** Unique among titles of its type; a movie and a series may share theirs, as they do in TMDB. */
  readonly id: number
  /** Around which the published popularity moves. */
  readonly popularity: number
}

/** Movies are about seven in ten titles. */
export function titleOf(catalogue: Catalogue, index: number): Title {
  const random = randomOf(catalogue.seed, 'title', index)
  const type = random.chance(0.7) ? 'movie' : 'tv_series'
  const place = scattered(index, catalogue.titles, catalogue.seed)
  return {
    index,
    type,
    id: type === 'movie' ? 100 + 7 * place : 100 + 5 * place,
    popularity: Math.exp(1.2 + 1.1 * normal(random)),
  }
}

/** Published id of a person. */
export function personId(catalogue: Catalogue, index: number): number {
  return 20 + 11 * scattered(index, catalogue.people, catalogue.seed + 1)
}

/** The person who arrives as the n-th: popular and unknown ones mixed. */
export function personArriving(catalogue: Catalogue, nth: number): number {
  return scattered(nth, catalogue.people, catalogue.seed + 2)
}

/**
 * Somebody by popularity: a shifted Zipf law, under which the most popular hundredth of all people has about a
 * fifteenth of the credits and the most popular tenth about a third.
 */
export function pickPerson(catalogue: Catalogue, random: Random): number {
  const shift = Math.max(5, catalogue.people / 20)
  const rank = shift * ((catalogue.people + shift) / shift) ** random.next() - shift
  return Math.min(catalogue.people - 1, Math.floor(rank))
}

/** What credits repeat of a person. */
export interface PersonFields {
  readonly adult: boolean
  readonly gender: number
  readonly id: number
  readonly known_for_department: string
  readonly name: string
  readonly original_name: string
  readonly popularity: number
  readonly profile_path: string | null
}

const departments = ['Directing', 'Writing', 'Production', 'Camera', 'Editing', 'Sound', 'Art', 'Costume & Make-Up']

/** What a person is best known for, as TMDB spells it. */
export function departmentOf(catalogue: Catalogue, index: number): string {
  const random = randomOf(catalogue.seed, 'department', index)
  return random.chance(0.65) ? 'Acting' : random.pick(departments)
}

/** What TMDB repeats of a person in every credit, as of the person's first version. */
export function personFields(catalogue: Catalogue, index: number): PersonFields {
  const random = randomOf(catalogue.seed, 'person', index)
  const name = personName(catalogue.seed, index)
  return {
    adult: false,
    gender: random.pick([0, 1, 1, 1, 2, 2, 2, 2, 3]),
    id: personId(catalogue, index),
    known_for_department: departmentOf(catalogue, index),
    name,
    original_name: name,
    popularity: rounded(0.2 + (8 * (1 + random.next())) / (1 + (20 * index) / catalogue.people), 4),
    profile_path: random.chance(0.6) ? imagePath(random) : null,
  }
}

/** To so many digits behind the point. */
export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

/** A bijection of [0, size) on itself. */
function scattered(index: number, size: number, seed: number): number {
  if (size <= 2) return index
  let step = Math.floor(size * 0.618) || 1
  while (divisor(step, size) !== 1) step += 1
  return (index * step + (seed % size)) % size
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b)
}
