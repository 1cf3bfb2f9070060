/** Parts that documents of several kinds have in common, as TMDB spells them. */
import { arrayOf, structOf } from '../../../operators/index.ts'

const named = { id: 'long', name: 'string' } as const

/** Of a title. */
export const genres = arrayOf(structOf(named))
/** Of a title; TMDB leaves the logo null for most. */
export const companies = arrayOf(structOf({ ...named, logo_path: 'string', origin_country: 'string' }))
/** Of production. */
export const countries = arrayOf(structOf({ iso_3166_1: 'string', name: 'string' }))
/** Spoken in a title. */
export const languages = arrayOf(structOf({ iso_639_1: 'string', english_name: 'string', name: 'string' }))

/** Movies keep them under `keywords`, series under `results`. */
export const keywords = structOf({ keywords: arrayOf(structOf(named)), results: arrayOf(structOf(named)) })

const person = {
  id: 'long',
  name: 'string',
  original_name: 'string',
  gender: 'long',
  known_for_department: 'string',
  profile_path: 'string',
} as const

/** `credit_id` identifies a credit; `cast_id` exists for movies only. Older documents have neither. */
export const credits = structOf({
  cast: arrayOf(structOf({ ...person, credit_id: 'string', cast_id: 'long', character: 'string', order: 'long' })),
  crew: arrayOf(structOf({ ...person, credit_id: 'string', department: 'string', job: 'string' })),
})

/** All of a series' credits: one entry a person, one credit for each role or job. */
export const aggregateCredits = structOf({
  cast: arrayOf(
    structOf({
      ...person,
      order: 'long',
      roles: arrayOf(structOf({ credit_id: 'string', character: 'string', episode_count: 'long' })),
    }),
  ),
  crew: arrayOf(
    structOf({
      ...person,
      department: 'string',
      jobs: arrayOf(structOf({ credit_id: 'string', job: 'string', episode_count: 'long' })),
    }),
  ),
})
