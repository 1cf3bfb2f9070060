/** Exactly the text that is embedded: its fingerprint in silver decides whether a vector is made anew. */
import {
  caseWhen,
  coalesce,
  concat,
  type Expression,
  field,
  filterList,
  isNotNull,
  joinList,
  list,
  mapList,
  nullIf,
  sortedList,
  toText,
  yearOf,
} from '../../operators/index.ts'
import type { Kind } from './kinds.ts'
import { present } from './present.ts'

/** Where a row's columns are: on their own in silver, inside `after` in its change feed. */
export type ColumnOf = (name: string) => Expression

/**
 * Name, year, genres, tagline and overview of a title, or name, department and biography of a person; one a line. Null
 * where a document has none of them: there is nothing to find it by.
 */
export function embeddingText(kind: Kind, column: ColumnOf): Expression {
  if (kind === 'people') return lines(titleOf(kind, column), column('known_for_department'), column('biography'))
  const title = titleOf(kind, column)
  const year = concat(title, ' (', toText(yearOf(dateOfRelease(kind, column))), ')')
  return lines(coalesce(year, title), joinList(genreNames(column), ', '), column('tagline'), column('overview'))
}

/** The name that a title or a person goes by: the original one where the document has no other. */
export function titleOf(kind: Kind, column: ColumnOf): Expression {
  const [name, original] = kind === 'movies' ? ['title', 'original_title'] : ['name', 'original_name']
  const says = [column(name!), column(original!)].map((text) => [isNotNull(present(text)), text] as const)
  return caseWhen(says, column(name!))
}

/** The date that a title came out. */
export function dateOfRelease(kind: Kind, column: ColumnOf): Expression {
  return column(kind === 'movies' ? 'release_date' : 'first_air_date')
}

/** Names of the genres, in alphabetical order: their order in a document means nothing. */
export function genreNames(column: ColumnOf): Expression {
  const names = mapList(column('genres'), (genre) => present(field(genre, 'name')))
  return sortedList(filterList(names, (name) => isNotNull(name)))
}

function lines(...parts: readonly Expression[]): Expression {
  return nullIf(joinList(list(parts.map((part) => nullIf(part, ''))), '\n'), '')
}
