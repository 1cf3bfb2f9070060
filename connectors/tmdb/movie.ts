/** Documents of `/3/movie/{id}` with `credits` and `keywords` appended. */
import type { Catalogue, Title } from './catalogue.ts'
import { creditsOf } from './credits.ts'
import type { TmdbDocument } from './event.ts'
import { movieGenres } from './genres.ts'
import { randomOf } from './random.ts'
import {
  companiesOf,
  countries,
  detailVersions,
  genresOf,
  keywordsOf,
  languages,
  picture,
  plainGenres,
  releaseDate,
  type TitleVersions,
  textsOf,
  votesOf,
} from './title-document.ts'
import { imagePath, titleName } from './words.ts'

const details = ['poster', 'backdrop', 'revenue', 'homepage', 'keywords', 'runtime'] as const
const certifications = ['G', 'PG', 'PG-13', 'R', 'NC-17', '']

/** A movie after so many changes; `changes` counts all of them. */
export function movieDocument(
  catalogue: Catalogue,
  title: Title,
  versions: TitleVersions,
  changes: number,
): TmdbDocument {
  const random = randomOf(catalogue.seed, 'movie', title.index)
  const genres = genresOf(catalogue, title, versions.genres, movieGenres)
  const texts = textsOf(catalogue, title, versions, genresOf(catalogue, title, 0, movieGenres))
  const detail = detailVersions(catalogue, title, versions.details, details)
  const country = random.pick(countries)
  const language = random.pick(languages)
  const budget = random.chance(0.55) ? 0 : random.between(1, 200) * 500_000
  const certification = random.pick(certifications)
  const earned = Math.floor(budget * 2 * random.next())
  return {
    adult: false,
    backdrop_path: picture(catalogue, title, 'backdrop', detail.backdrop),
    belongs_to_collection: collectionOf(catalogue, title),
    budget,
    ...(versions.certification > 0 ? { certification } : {}),
    genres: plainGenres(genres),
    homepage: detail.homepage > 0 ? `https://films.example/${title.id}/${detail.homepage}` : '',
    id: title.id,
    imdb_id: random.chance(0.9) ? `tt${String(9_000_000 + title.id).padStart(7, '0')}` : null,
    original_language: language[0],
    original_title: texts.originalName,
    overview: texts.overview,
    ...votesOf(catalogue, title, changes),
    poster_path: picture(catalogue, title, 'poster', detail.poster),
    production_companies: companiesOf(catalogue, random, 3),
    production_countries: [{ iso_3166_1: country[0], name: country[1] }],
    release_date: releaseDate(random),
    revenue: earned + 10_000 * detail.revenue,
    runtime: random.chance(0.04) ? 0 : random.between(62, 190) + detail.runtime,
    spoken_languages: [{ english_name: language[1], iso_639_1: language[0], name: language[2] }],
    status: random.chance(0.95) ? 'Released' : 'Post Production',
    tagline: texts.tagline,
    title: texts.name,
    video: false,
    credits: creditsOf(catalogue, title, versions),
    keywords: { keywords: keywordsOf(catalogue, title, detail.keywords) },
  }
}

/** One movie in six belongs to a collection. */
function collectionOf(catalogue: Catalogue, title: Title): Record<string, unknown> | null {
  const random = randomOf(catalogue.seed, 'in-collection', title.index)
  if (!random.chance(0.16)) return null
  const index = random.int(Math.ceil(catalogue.titles / 12))
  const its = randomOf(catalogue.seed, 'collection', index)
  return {
    id: 500 + index,
    name: `${titleName(its)} Collection`,
    poster_path: its.chance(0.7) ? imagePath(its) : null,
    backdrop_path: its.chance(0.7) ? imagePath(its) : null,
  }
}
