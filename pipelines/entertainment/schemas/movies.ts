import { date, structOf } from '../../../operators/index.ts'
import { companies, countries, credits, genres, keywords, languages } from './shared.ts'

/** What silver reads of a movie document (TMDB `/3/movie/{id}` with its appended objects). */
export const movieColumns = {
  imdb_id: 'string',
  title: 'string',
  original_title: 'string',
  original_language: 'string',
  overview: 'string',
  tagline: 'string',
  status: 'string',
  certification: 'string',
  homepage: 'string',
  release_date: date(),
  runtime: 'long',
  budget: 'long',
  revenue: 'long',
  popularity: 'double',
  vote_average: 'double',
  vote_count: 'long',
  adult: 'boolean',
  video: 'boolean',
  poster_path: 'string',
  backdrop_path: 'string',
  belongs_to_collection: structOf({ id: 'long', name: 'string', poster_path: 'string', backdrop_path: 'string' }),
  genres,
  production_companies: companies,
  production_countries: countries,
  spoken_languages: languages,
  keywords,
  credits,
} as const

/** Fields whose value may be dropped where it is not as declared: a movie is worth more than its date. */
export const movieContracts = { release_date: 'null' } as const
