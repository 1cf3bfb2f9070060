/** Exactly the text that is embedded: its fingerprint in silver decides whether a vector is made anew. */
import {
  coalesce,
  concat,
  type Expression,
  field,
  joinList,
  list,
  mapList,
  nullIf,
  sortedList,
  toText,
  yearOf,
} from '../../operators/index.ts'
import type { Kind } from './kinds.ts'

/** Where a row's columns are: on their own in silver, inside `after` in its change feed. */
export type ColumnOf = (name: string) => Expression

/**
 * Name, year, genres, tagline and overview of a title, or name, department and biography of a person; one a line. Null
 * where a document has none of them: there is nothing to find it by.
 */
export function embeddingText(kind: Kind, column: ColumnOf): Expression {
  if (kind === 'people') return lines(column('name'), column('known_for_department'), column('biography'))
  const title = titleOf(kind, column)
  const year = concat(title, ' (', toText(yearOf(dateOfRelease(kind, column))), ')')
  return lines(coalesce(year, title), joinList(genreNames(column), ', '), column('tagline'), column('overview'))
}

/** The name that a title goes by. */
export function titleOf(kind: Kind, column: ColumnOf): Expression {
  return column(kind === 'movies' ? 'title' : 'name')
}

/** The date that a title came out. */
export function dateOfRelease(kind: Kind, column: ColumnOf): Expression {
  return column(kind === 'movies' ? 'release_date' : 'first_air_date')
}

/** Names of the genres, in alphabetical order: their order in a document means nothing. */
export function genreNames(column: ColumnOf): Expression {
  return sortedList(mapList(column('genres'), (genre) => field(genre, 'name')))
}

function lines(...parts: readonly Expression[]): Expression {
  return nullIf(joinList(list(parts.map((part) => nullIf(part, ''))), '\n'), '')
}
