/**
 * A series may list its credits twice: `credits` holds those of its last season, one a role, and `aggregate_credits` those of all
 * seasons, one a person with its roles. Its credits are both together, each once.
 */
import type { Step } from '../../engine/index.ts'
import {
  and,
  caseWhen,
  cast,
  coalesce,
  col,
  concatLists,
  derive,
  type Expression,
  field,
  filterList,
  flattenList,
  hashText,
  isNotNull,
  isNull,
  listContains,
  lit,
  mapList,
  not,
  struct,
} from '../../operators/index.ts'
import { castRole, creditId, crewRole } from './relationships.ts'

const person = ['id', 'name', 'original_name', 'gender', 'known_for_department', 'profile_path'] as const

/** The two lists of credits, and what identifies an element of each. */
const lists = [
  { name: 'cast', role: castRole, ofAggregate: castOfAggregate },
  { name: 'crew', role: crewRole, ofAggregate: crewOfAggregate },
] as const

type Listed = (typeof lists)[number]

/** Columns that {@link creditListSteps} adds for a list, each computed once a document. */
function hidden(name: Listed['name']) {
  return {
    aggregate: `aggregate_${name}`,
    ids: `${name}_ids`,
    roles: `${name}_roles`,
    bare: `${name}_roles_without_id`,
  }
}

/** Prepares {@link seriesCredits}: the credits of `aggregate_credits` in the shape of `credits`, and what `credits` has already. */
export function creditListSteps(): Step[] {
  const columns = lists.flatMap(({ name, role, ofAggregate }) => {
    const listed = col(`credits.${name}`)
    const { aggregate, ids, roles, bare } = hidden(name)
    return [
      [aggregate, ofAggregate()],
      [ids, mapList(listed, creditId)],
      [roles, mapList(listed, (credit) => roleOf(credit, role))],
      [bare, mapList(listed, (credit) => caseWhen([[isNull(creditId(credit)), roleOf(credit, role)]]))],
    ] as const
  })
  return [derive('credit-lists', Object.fromEntries(columns))]
}

/**
 * Both lists as one, by credit id; the columns of {@link creditListSteps} must be there. A credit without an id is known by its person
 * and role. What `credits` says of a credit counts, whatever the order of either list.
 */
export function seriesCredits(): Expression {
  const merged = lists.map(({ name, role }) => {
    const listed = col(`credits.${name}`)
    const added = filterList(col(hidden(name).aggregate), (credit) => isNotListed(name, credit, roleOf(credit, role)))
    return [name, name === 'cast' ? concatLists(listed, added) : concatLists(listed, added, creators())] as const
  })
  return struct(Object.fromEntries(merged))
}

function isNotListed(name: Listed['name'], credit: Expression, role: Expression): Expression {
  const { ids, roles, bare } = hidden(name)
  const id = creditId(credit)
  const without = (list: string, value: Expression) => not(coalesce(listContains(col(list), value), false))
  return caseWhen([[isNotNull(id), and(without(ids, id), without(bare, role))]], without(roles, role))
}

function roleOf(credit: Expression, role: readonly string[]): Expression {
  return hashText(...role.map((part) => field(credit, part)))
}

function personOf(credit: Expression): { readonly [name: string]: Expression } {
  return Object.fromEntries(person.map((name) => [name, field(credit, name)]))
}

/** The people who created a series, as crew: they stand in a list of their own. */
function creators(): Expression {
  return mapList(col('created_by'), (creator) =>
    struct({
      id: field(creator, 'id'),
      name: field(creator, 'name'),
      original_name: cast(null, 'string'),
      gender: field(creator, 'gender'),
      known_for_department: cast(null, 'string'),
      profile_path: field(creator, 'profile_path'),
      credit_id: field(creator, 'credit_id'),
      department: lit('Creation'),
      job: lit('Creator'),
    }),
  )
}

function castOfAggregate(): Expression {
  return flattenList(
    mapList(col('aggregate_credits.cast'), (credit) =>
      mapList(field(credit, 'roles'), (role) =>
        struct({
          ...personOf(credit),
          credit_id: field(role, 'credit_id'),
          cast_id: cast(null, 'long'),
          character: field(role, 'character'),
          order: field(credit, 'order'),
        }),
      ),
    ),
  )
}

function crewOfAggregate(): Expression {
  return flattenList(
    mapList(col('aggregate_credits.crew'), (credit) =>
      mapList(field(credit, 'jobs'), (job) =>
        struct({
          ...personOf(credit),
          credit_id: field(job, 'credit_id'),
          department: field(credit, 'department'),
          job: field(job, 'job'),
        }),
      ),
    ),
  )
}
