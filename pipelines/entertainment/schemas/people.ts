import { arrayOf, date } from '../../../operators/index.ts'

/** What silver reads of a person document (TMDB `/3/person/{id}`). */
export const personColumns = {
  imdb_id: 'string',
  name: 'string',
  original_name: 'string',
  also_known_as: arrayOf('string'),
  biography: 'string',
  birthday: date(),
  deathday: date(),
  gender: 'long',
  known_for_department: 'string',
  place_of_birth: 'string',
  homepage: 'string',
  popularity: 'double',
  profile_path: 'string',
  adult: 'boolean',
} as const

/** Fields whose value may be dropped where it is not as declared. */
export const personContracts = { birthday: 'null', deathday: 'null' } as const
