/** What links a title to people and to genres, companies and the like; only what identifies a link, never its order. */
import {
  caseWhen,
  coalesce,
  concatLists,
  type Expression,
  field,
  hashText,
  isNotNull,
  list,
  lit,
  mapList,
} from '../../operators/index.ts'
import type { ColumnOf } from './embedding-text.ts'
import type { Kind } from './kinds.ts'

/** A type of title, as graph and tables name it. */
export function titleType(kind: Kind): string {
  return kind === 'movies' ? 'movie' : 'tv_series'
}

/**
 * Key of one credit. `credit_id` where there is one: it is unique over all titles, and one person may hold several in one
 * title. Else a hash of everything that tells two credits of a title apart.
 */
export function castKey(kind: Kind, titleId: Expression, credit: Expression): Expression {
  const fallback = hashText(
    titleType(kind),
    titleId,
    'cast',
    field(credit, 'id'),
    field(credit, 'name'),
    field(credit, 'character'),
  )
  return coalesce(field(credit, 'credit_id'), fallback)
}

/** See {@link castKey}. */
export function crewKey(kind: Kind, titleId: Expression, credit: Expression): Expression {
  const fallback = hashText(
    titleType(kind),
    titleId,
    'crew',
    field(credit, 'id'),
    field(credit, 'name'),
    field(credit, 'department'),
    field(credit, 'job'),
  )
  return coalesce(field(credit, 'credit_id'), fallback)
}

/** The set of a title's credits: person, name and role; not order, picture or popularity. */
export function creditIdentities(column: ColumnOf): Expression {
  const cast = mapList(column('credits.cast'), (credit) =>
    hashText(
      'cast',
      field(credit, 'id'),
      field(credit, 'name'),
      field(credit, 'credit_id'),
      field(credit, 'character'),
    ),
  )
  const crew = mapList(column('credits.crew'), (credit) =>
    hashText(
      'crew',
      field(credit, 'id'),
      field(credit, 'name'),
      field(credit, 'credit_id'),
      field(credit, 'department'),
      field(credit, 'job'),
    ),
  )
  return concatLists(cast, crew)
}

/** Lists of a title's document whose elements have an id and a name, by the kind of thing that they link to. */
const referenceLists: {
  readonly [K in Exclude<Kind, 'people'>]: readonly (readonly [kind: string, column: string])[]
} = {
  movies: [
    ['genre', 'genres'],
    ['company', 'production_companies'],
    ['keyword', 'keywords'],
  ],
  tv_series: [
    ['genre', 'genres'],
    ['company', 'production_companies'],
    ['network', 'networks'],
    ['keyword', 'keywords'],
  ],
}

/** The set of genres, companies, networks, keywords and the collection that a title belongs to. */
export function referenceIdentities(kind: Exclude<Kind, 'people'>, column: ColumnOf): Expression {
  const lists = referenceLists[kind].map(([what, name]) =>
    mapList(column(name), (each) => hashText(what, field(each, 'id'), field(each, 'name'))),
  )
  if (kind === 'tv_series') return concatLists(...lists)
  const collection = column('belongs_to_collection')
  const one = list([hashText('collection', field(collection, 'id'), field(collection, 'name'))])
  return concatLists(...lists, caseWhen([[isNotNull(field(collection, 'id')), one]], lit(null)))
}
