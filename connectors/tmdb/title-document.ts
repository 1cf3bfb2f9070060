/** What movies and series have in common, as TMDB spells it, after so many changes. */
import { type Catalogue, rounded, type Title } from './catalogue.ts'
import type { TitleChange, Versions } from './changes.ts'
import type { Genre, PlotGenre } from './genres.ts'
import { normal, type Random, randomOf } from './random.ts'
import { companyName, imagePath, originalTitle, overview, tagline, titleName } from './words.ts'

/** The texts of one version of a title. */
export interface TitleTexts {
  readonly name: string
  readonly originalName: string
  readonly overview: string
  readonly tagline: string
}

/** How often each part of a title has changed. */
export type TitleVersions = Versions<TitleChange>

const subtitles = ['The Return', 'Director’s Cut', 'Part One', 'A New Beginning', 'The Long Way Home']

/** Name and texts. Some titles begin without an overview, most without a tagline. */
export function textsOf(
  catalogue: Catalogue,
  title: Title,
  versions: TitleVersions,
  genres: readonly PlotGenre[],
): TitleTexts {
  const { seed } = catalogue
  const random = randomOf(seed, 'texts', title.index)
  const base = titleName(random)
  const plot = randomOf(seed, 'overview', title.index, versions.overview)
  const line = randomOf(seed, 'tagline', title.index, versions.tagline)
  return {
    name: versions.title === 0 ? base : `${base}: ${subtitles[(title.index + versions.title) % subtitles.length]!}`,
    originalName: originalTitle(random, base),
    overview: versions.overview === 0 && plot.chance(0.03) ? '' : overview(plot, genres),
    tagline: versions.tagline === 0 && line.chance(0.6) ? '' : tagline(line),
  }
}

/** One to three genres; every other change of them adds one and takes it away again. */
export function genresOf(
  catalogue: Catalogue,
  title: Title,
  changes: number,
  among: readonly PlotGenre[],
): readonly PlotGenre[] {
  const random = randomOf(catalogue.seed, 'genres', title.index)
  const chosen = new Set<PlotGenre>()
  const wanted = random.pick([1, 1, 2, 2, 2, 3])
  while (chosen.size < wanted) chosen.add(among[Math.floor(among.length * random.next() ** 1.6)]!)
  const extra = among.find((genre) => !chosen.has(genre))!
  return changes % 2 === 0 ? [...chosen] : [...chosen, extra]
}

/** Without what only the generator knows of a genre. */
export function plainGenres(genres: readonly PlotGenre[]): readonly Genre[] {
  return genres.map(({ id, name }) => ({ id, name }))
}

/** Popularity wanders around the title's own; votes only come in. */
export function votesOf(catalogue: Catalogue, title: Title, version: number): Record<string, number> {
  const random = randomOf(catalogue.seed, 'votes', title.index, version)
  const base = randomOf(catalogue.seed, 'votes', title.index)
  const perVersion = 1 + base.int(40)
  const voted = base.chance(0.06) ? 0 : Math.floor(title.popularity ** 1.8 * 25 * (0.5 + base.next()))
  const mean = Math.min(9.6, Math.max(1.5, 6.4 + 1.1 * normal(base)))
  return {
    popularity: rounded(title.popularity * Math.exp(0.15 * normal(random)) + 0.01, 4),
    vote_average: rounded(Math.min(10, mean + 0.01 * normal(random)), 3),
    vote_count: voted + version * perVersion,
  }
}

/** How often each of a title's small fields has changed, out of `changes` in all. */
export function detailVersions<F extends string>(
  catalogue: Catalogue,
  title: Title,
  changes: number,
  fields: readonly F[],
): Readonly<Record<F, number>> {
  const counts = Object.fromEntries(fields.map((field) => [field, 0])) as Record<F, number>
  for (let change = 1; change <= changes; change += 1)
    counts[randomOf(catalogue.seed, 'detail', title.index, change).pick(fields)] += 1
  return counts
}

/** Path of a picture, another one in every version; null for some titles at first. */
export function picture(catalogue: Catalogue, title: Title, what: string, version: number): string | null {
  const random = randomOf(catalogue.seed, what, title.index, version)
  return version === 0 && random.chance(0.08) ? null : imagePath(random)
}

/** Companies, few of which make most titles. */
export function companiesOf(catalogue: Catalogue, random: Random, atMost: number): readonly Record<string, unknown>[] {
  const pool = Math.max(12, Math.floor(catalogue.titles / 6))
  const chosen = new Set<number>()
  for (let left = random.int(atMost + 1); left > 0; left -= 1) chosen.add(Math.floor(pool * random.next() ** 2.5))
  return [...chosen].map((index) => {
    const its = randomOf(catalogue.seed, 'company-picture', index)
    return {
      id: 1000 + index,
      logo_path: its.chance(0.5) ? imagePath(its) : null,
      name: companyName(catalogue.seed, index),
      origin_country: its.pick(countries)[0],
    }
  })
}

/** Repeated by weight, to be picked from. */
export const countries: readonly (readonly [code: string, name: string])[] = [
  ['US', 'United States of America'],
  ['US', 'United States of America'],
  ['GB', 'United Kingdom'],
  ['FR', 'France'],
  ['DE', 'Germany'],
  ['JP', 'Japan'],
  ['KR', 'South Korea'],
  ['IN', 'India'],
  ['BR', 'Brazil'],
]

/** Repeated by weight, to be picked from. */
export const languages: readonly (readonly [code: string, english: string, own: string])[] = [
  ['en', 'English', 'English'],
  ['en', 'English', 'English'],
  ['en', 'English', 'English'],
  ['fr', 'French', 'Français'],
  ['ja', 'Japanese', '日本語'],
  ['ar', 'Arabic', 'العربية'],
  ['ko', 'Korean', '한국어/조선말'],
]

const themes = [
  'revenge',
  'friendship',
  'heist',
  'lighthouse',
  'time travel',
  'small town',
  'based on novel or book',
  'sea',
  'detective',
  'family secret',
  'robot',
  'winter',
  'musician',
  'war',
  'coming of age',
  'road trip',
]

/** Keywords; each change of them brings one more. */
export function keywordsOf(catalogue: Catalogue, title: Title, version: number): readonly Genre[] {
  const random = randomOf(catalogue.seed, 'keywords', title.index)
  const first = random.int(themes.length)
  const count = Math.min(themes.length, random.int(5) + version)
  return Array.from({ length: count }, (_, i) => {
    const index = (first + 5 * i) % themes.length
    return { id: 4000 + 13 * index, name: themes[index]! }
  })
}

/**
 * A date of release: most within the last decades, one title in twelve before 1970, a few before 1900, and `''` where
 * nobody has entered one.
 */
export function releaseDate(random: Random): string {
  const kind = random.next()
  if (kind < 0.013) return ''
  const day = `${String(random.between(1, 12)).padStart(2, '0')}-${String(random.between(1, 28)).padStart(2, '0')}`
  if (kind < 0.018) return `${random.between(1874, 1899)}-${day}`
  if (kind < 0.097) return `${random.between(1900, 1969)}-${day}`
  return `${2025 - Math.floor(56 * random.next() ** 1.8)}-${day}`
}
