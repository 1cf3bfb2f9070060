/** What links a title to people and to genres, companies and the like; only what identifies a link, never its order. */
import {
  caseWhen,
  coalesce,
  concatLists,
  type Expression,
  field,
  gt,
  hashText,
  isNotNull,
  list,
  lit,
  mapList,
  or,
} from '../../operators/index.ts'
import type { ColumnOf } from './embedding-text.ts'
import type { Kind } from './kinds.ts'
import { present } from './present.ts'

/** A type of title, as graph and tables name it. */
export function titleType(kind: Kind): string {
  return kind === 'movies' ? 'movie' : 'tv_series'
}

/** Whether a genre, company, collection or the like is named by anything: by an id or by a name. */
export function isThing(of: Expression): Expression {
  return or(isNotNull(field(of, 'id')), isNotNull(present(field(of, 'name'))))
}

/** The id of a credit's own; null where the document leaves it out or blank: such credits are not one and the same. */
export function creditId(credit: Expression): Expression {
  return present(field(credit, 'credit_id'))
}

/** The id of a credit's person; null for a guest without one, which some documents write as 0: they are not one person. */
export function personId(credit: Expression): Expression {
  return caseWhen([[gt(field(credit, 'id'), 0), field(credit, 'id')]])
}

/** What tells two credits of a cast apart that have no id of their own. */
export const castRole = ['id', 'name', 'character'] as const

/** See {@link castRole}. */
export const crewRole = ['id', 'name', 'department', 'job'] as const

/**
 * Key of one credit. `credit_id` where there is one: it is unique over all titles, and one person may hold several in one
 * title. Else a hash of everything that tells two credits of a title apart.
 */
export function castKey(kind: Kind, titleId: Expression, credit: Expression): Expression {
  const role = castRole.map((name) => field(credit, name))
  return coalesce(creditId(credit), hashText(titleType(kind), titleId, 'cast', ...role))
}

/** See {@link castKey}. */
export function crewKey(kind: Kind, titleId: Expression, credit: Expression): Expression {
  const role = crewRole.map((name) => field(credit, name))
  return coalesce(creditId(credit), hashText(titleType(kind), titleId, 'crew', ...role))
}

/** The set of a title's credits: person, name and role; not order, picture or popularity. */
export function creditIdentities(column: ColumnOf): Expression {
  const identity = (what: string, role: readonly string[]) =>
    mapList(column(`credits.${what}`), (credit) => {
      const [id, name, ...rest] = role.map((part) => field(credit, part))
      return hashText(what, id!, name!, creditId(credit), ...rest)
    })
  return concatLists(identity('cast', castRole), identity('crew', crewRole))
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
  return concatLists(...lists, caseWhen([[isThing(collection), one]], lit(null)))
}
