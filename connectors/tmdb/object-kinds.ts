/** By what objects of the TMDB API are told apart: most of them have an id and a name, and nothing that says what they are. */
import type { DocumentType } from './event.ts'

/** What an object can be that is no document of ours. */
export type ForeignKind = 'collection' | 'season or episode' | 'list' | 'company or network'

/** Fields that only objects of one kind have, as few as tell it in every answer of the API. */
export const kindMarks: Readonly<Record<DocumentType | ForeignKind, readonly string[]>> = {
  movie: ['title'],
  tv_series: ['first_air_date', 'number_of_seasons'],
  person: ['known_for_department', 'biography', 'gender'],
  collection: ['parts'],
  'season or episode': ['season_number'],
  list: ['item_count'],
  'company or network': ['headquarters'],
}

/** What search hits and lists of mixed objects say of themselves in `media_type`. */
export const mediaTypes: Readonly<Record<DocumentType, string>> = { movie: 'movie', tv_series: 'tv', person: 'person' }

/** Fields that series share with collections, keywords, companies and people: a document without any other shows nothing. */
export const sharedFields: ReadonlySet<string> = new Set([
  'id',
  'name',
  'original_name',
  'original_language',
  'overview',
  'poster_path',
  'backdrop_path',
  'adult',
  'homepage',
])

/** Fields by which an object shows that it is of another kind, each with that kind. */
export function foreignMarks(type: DocumentType): readonly (readonly [field: string, kind: string])[] {
  return Object.entries(kindMarks).flatMap(([kind, fields]) =>
    kind === type ? [] : fields.map((field) => [field, inWords(kind)] as const),
  )
}

/** `a series`, for messages. */
export function inWords(kind: string): string {
  return kind === 'tv_series' ? 'a series' : `a ${kind}`
}
