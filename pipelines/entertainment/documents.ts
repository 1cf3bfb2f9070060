/** Whether a record's document is what its topic is for: other objects have ids too, and would replace the rows of titles. */
import { foreignMarks, mediaTypes, sharedFields } from '../../connectors/index.ts'
import type { DataType } from '../../engine/index.ts'
import {
  arrayOf,
  caseWhen,
  cast,
  col,
  concat,
  type ExplainedRule,
  type Expression,
  eq,
  isNotNull,
  isNull,
  ne,
  not,
  or,
  structOf,
  toText,
  tryCast,
} from '../../operators/index.ts'
import { documentTypes, type Kind } from './kinds.ts'
import { movieColumns, movieContracts } from './schemas/movies.ts'
import { personColumns, personContracts } from './schemas/people.ts'
import { seriesColumns, seriesContracts } from './schemas/tv-series.ts'

/** What silver keeps of a kind's documents. */
export const documentColumns = { movies: movieColumns, tv_series: seriesColumns, people: personColumns } as const

/** The id of the record, beside which `id` is that of its document. */
export const recordId = 'record_id'

const markTypes: { readonly [field: string]: DataType } = {
  number_of_seasons: 'long',
  gender: 'long',
  season_number: 'long',
  item_count: 'long',
  parts: arrayOf(structOf({ id: 'long' })),
}

/** Fields of which null takes the place of what is not as declared. */
export const documentContracts = {
  movies: movieContracts,
  tv_series: seriesContracts,
  people: personContracts,
} as const

/** What is read of a document beside {@link documentColumns}, to see what it is. */
export function identityColumns(kind: Kind): { readonly [field: string]: DataType } {
  const marks = foreignMarks(documentTypes[kind]).map(([field]) => [field, markTypes[field] ?? 'string'] as const)
  return { id: 'long', media_type: 'string', ...Object.fromEntries(marks) }
}

/** Rules that every record keeps: it has one id, and its document is of its kind. A deletion has no document. */
export function identityRules(kind: Kind): { readonly [rule: string]: ExplainedRule } {
  return { 'one id': explained(idProblem()), [`is of ${kind}`]: explained(kindProblem(kind)) }
}

function explained(problem: Expression): ExplainedRule {
  return { holds: or(eq(col('label'), 'delete'), isNull(problem)), found: problem }
}

/** A key that is no number says nothing of ids. */
function idProblem(): Expression {
  const key = tryCast(cast(col('key'), 'string'), 'long')
  const told = concat('the record is of id ', toText(col(recordId)))
  return caseWhen([
    [ne(col('id'), col(recordId)), concat(told, ', its document of id ', toText(col('id')))],
    [ne(key, col(recordId)), concat(told, ', its key says ', toText(key))],
  ])
}

function kindProblem(kind: Kind): Expression {
  const type = documentTypes[kind]
  const marks = foreignMarks(type).map(
    ([field, what]) => [isNotNull(col(field)), `it has ${field}, as ${what} has`] as const,
  )
  return caseWhen([
    [ne(col('media_type'), mediaTypes[type]), concat('its media_type is ', col('media_type'))],
    ...marks,
    [not(showsKind(kind)), 'it has no field that only such a document has'],
  ])
}

/** Only a movie has a title; a series or a person has some field that collections, companies and keywords lack. */
function showsKind(kind: Kind): Expression {
  const fields =
    kind === 'movies'
      ? ['title', 'original_title', 'release_date']
      : Object.keys(documentColumns[kind]).filter((field) => !sharedFields.has(field))
  return or(...fields.map((field) => isNotNull(col(field))))
}
