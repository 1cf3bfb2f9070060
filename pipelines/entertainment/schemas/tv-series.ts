import { arrayOf, date, structOf } from '../../../operators/index.ts'
import { aggregateCredits, companies, countries, credits, genres, keywords, languages } from './shared.ts'

/** What silver reads of a series document (TMDB `/3/tv/{id}` with its appended objects). */
export const seriesColumns = {
  imdb_id: 'string',
  name: 'string',
  original_name: 'string',
  original_language: 'string',
  overview: 'string',
  tagline: 'string',
  status: 'string',
  type: 'string',
  certification: 'string',
  homepage: 'string',
  first_air_date: date(),
  last_air_date: date(),
  in_production: 'boolean',
  number_of_seasons: 'long',
  number_of_episodes: 'long',
  popularity: 'double',
  vote_average: 'double',
  vote_count: 'long',
  adult: 'boolean',
  poster_path: 'string',
  backdrop_path: 'string',
  origin_country: arrayOf('string'),
  genres,
  networks: companies,
  production_companies: companies,
  production_countries: countries,
  spoken_languages: languages,
  created_by: arrayOf(
    structOf({ id: 'long', credit_id: 'string', name: 'string', gender: 'long', profile_path: 'string' }),
  ),
  seasons: arrayOf(
    structOf({
      id: 'long',
      name: 'string',
      season_number: 'long',
      episode_count: 'long',
      air_date: 'string',
      overview: 'string',
      poster_path: 'string',
      vote_average: 'double',
    }),
  ),
  keywords,
  credits,
  aggregate_credits: aggregateCredits,
} as const

/** Fields whose value may be dropped where it is not as declared. */
export const seriesContracts = { first_air_date: 'null', last_air_date: 'null' } as const
