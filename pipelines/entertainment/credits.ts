/** A series may list its credits once a person (`aggregate_credits`) instead of once a role (`credits`). */
import {
  caseWhen,
  cast,
  coalesce,
  col,
  concatLists,
  type Expression,
  field,
  flattenList,
  gt,
  listLength,
  lit,
  mapList,
  struct,
} from '../../operators/index.ts'

const person = ['id', 'name', 'original_name', 'gender', 'known_for_department', 'profile_path'] as const

function personOf(credit: Expression): { readonly [name: string]: Expression } {
  return Object.fromEntries(person.map((name) => [name, field(credit, name)]))
}

/** `credits` of a series: its own where it has any, else one credit for each role and job of `aggregate_credits`. */
export function seriesCredits(): Expression {
  return struct({
    cast: firstNonEmpty(col('credits.cast'), castOfAggregate()),
    crew: concatLists(firstNonEmpty(col('credits.crew'), crewOfAggregate()), creators()),
  })
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

function firstNonEmpty(left: Expression, right: Expression): Expression {
  return caseWhen([[gt(coalesce(listLength(left), 0), 0), left]], right)
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
