/**
 * The statements of a merge with clauses. Pure text, beside those of merge-sql.ts, whose table `source` they begin with.
 *
 * The temporary tables: `pairs` has a row for every target row of the candidates that a source row was found for, and for those
 * that a clause for rows without one may change; `decided` the target rows that change, with the number of their clause.
 */
import { duckdbType } from '../../engine/batch/duckdb-types.ts'
import { identifier, literals } from '../../engine/duckdb.ts'
import type { Column } from '../../engine/schema.ts'
import type { AddFile } from './actions.ts'
import type { SqlClause, SqlClauses } from './merge-clauses.ts'
import type { MergePlan } from './merge-plan.ts'
import { deleteColumn, fileColumn, isNewer, type MergeShape, rowColumn, sameKey, source } from './merge-sql.ts'
import { normalizedRows } from './partitions/partition-values.ts'
import { type LocalFile, selectFiles } from './read.ts'

const pairs = 'millrace_pairs'
const decided = 'millrace_decided'
const clauseColumn = '__millrace_clause'
const newerColumn = '__millrace_newer'
const matchedColumn = '__millrace_matched'

const [s, t] = [identifier('source'), identifier('target')]

/** A clause that changes target rows, by its place in a list of all of them. */
interface RowClause extends SqlClause {
  readonly action: 'update' | 'delete'
  readonly place: number
}

interface Statements {
  readonly shape: MergeShape
  /** In the order in which they are asked; null: the row stays. */
  readonly matched: readonly (readonly [condition: string, RowClause | null])[]
  readonly unmatched: readonly (readonly [condition: string, RowClause | null])[]
  readonly inserting: readonly SqlClause[]
  readonly updates: readonly RowClause[]
}

/**
 * Every target row is decided of on its own, also where several have one key; a source row only counts if it is newer than all of
 * them.
 * @param mayChange see {@link MergePlan}
 */
export function clausesPlan(shape: MergeShape, clauses: SqlClauses, mayChange: (file: AddFile) => boolean): MergePlan {
  const all = statementsOf(shape, clauses)
  const inserts = insertedRows(all)
  return {
    mayChange,
    decide: (candidates) => decide(all, candidates),
    hitFiles: `SELECT p.${fileColumn} AS file, count(d.${clauseColumn}) AS changed FROM ${pairs} p LEFT JOIN ${decided} d ON ${sameRow('p', 'd')} GROUP BY p.${fileColumn}`,
    counts: counts(all, inserts),
    taken: (candidates) =>
      normalizedRows(shape.columns, shape.partitionColumns, union(replacedRows(all, candidates), inserts)),
    changes: (inserted) => ({
      rewritten: (files) => rewrittenRows(all, files, `d.${clauseColumn} IS NULL OR ${among(all.updates)}`),
      replaced: (files) => replacedRows(all, files),
      added: inserted > 0 ? inserts : null,
      changedRows: (files) =>
        `SELECT ${fileColumn} AS file, list(${rowColumn}) AS "rows" FROM ${decided} WHERE list_contains(${literals(files.map(({ path }) => path))}, ${fileColumn}) GROUP BY ${fileColumn}`,
      changes: (files) => changeFeed(all, files, inserts),
      partitions(files) {
        const columns = shape.columns.filter(({ name }) => shape.partitionColumns.includes(name))
        const bare = `SELECT ${names(columns)} FROM`
        const rewritten = rewrittenRows(all, files, 'true')
        return union(`${bare} (${rewritten})`, `${bare} (${inserts})`, selectFiles({ columns, files }))
      },
    }),
  }
}

function statementsOf(shape: MergeShape, { matched, notMatched, notMatchedBySource }: SqlClauses): Statements {
  const rows: RowClause[] = []
  const numbered = (clause: SqlClause): readonly [string, RowClause | null] => {
    const { action, condition } = clause
    if (action !== 'update' && action !== 'delete') return [condition, null]
    const row: RowClause = { ...clause, action, place: rows.length }
    rows.push(row)
    return [condition, row]
  }
  const marked: SqlClause = { action: 'delete', condition: `${s}.${deleteColumn}`, values: null }
  const deletes = shape.deleteWhen === undefined ? [] : [marked]
  return {
    shape,
    matched: [...deletes, ...matched].map(numbered),
    unmatched: notMatchedBySource.map(numbered),
    inserting: notMatched,
    updates: rows.filter(({ action }) => action === 'update'),
  }
}

function decide(all: Statements, candidates: readonly LocalFile[]): string[] {
  const { shape, matched, unmatched } = all
  const isMatched = `${s}.${identifier(shape.key[0]!)} IS NOT NULL`
  const found = [
    ...shape.key.map((name) => `${s}.${identifier(name)}`),
    `${t}.${fileColumn}`,
    `${t}.${rowColumn}`,
    `${isMatched} AS ${matchedColumn}`,
    `${isNewer(shape.newer, [s, t])} AS ${newerColumn}`,
    `CASE WHEN ${isMatched} THEN ${decision(matched)} ELSE ${decision(unmatched)} END AS ${clauseColumn}`,
  ]
  const join = `FROM (${targetRows(all, candidates)}) AS ${t} ${unmatched.length > 0 ? 'LEFT JOIN' : 'JOIN'} ${source} AS ${s} ON ${sameKey(shape, s, t)}`
  const keys = shape.key.map((name) => `p.${identifier(name)}`).join(', ')
  const isNewest = `bool_and(p.${newerColumn}) OVER (PARTITION BY ${keys})`
  const changes = `p.${clauseColumn} IS NOT NULL AND (NOT p.${matchedColumn} OR p.${newerColumn})`
  return [
    // of a key, either all rows count as older than the source's, or none does
    `CREATE TEMP TABLE ${pairs} AS SELECT p.* REPLACE (${isNewest} AS ${newerColumn}) FROM (SELECT ${found.join(', ')} ${join}) p WHERE p.${matchedColumn} OR p.${clauseColumn} IS NOT NULL`,
    `CREATE TEMP TABLE ${decided} AS SELECT p.${fileColumn}, p.${rowColumn}, p.${clauseColumn} FROM ${pairs} p WHERE ${changes}`,
  ]
}

/** The place of the first clause whose condition is true. */
function decision(clauses: Statements['matched']): string {
  if (clauses.length === 0) return 'CAST(NULL AS INTEGER)'
  const cases = clauses.map(([condition, clause]) => `WHEN ${condition} THEN ${clause?.place ?? 'NULL'}`)
  return `CAST(CASE ${cases.join(' ')} END AS INTEGER)`
}

function counts({ shape, updates }: Statements, inserts: string): string {
  const updated = `d.${clauseColumn} IN (${places(updates)})`
  const key = `row(${shape.key.map((name) => `p.${identifier(name)}`).join(', ')})`
  const effective = `SELECT count(DISTINCT ${key}) FROM ${pairs} p WHERE p.${matchedColumn} AND p.${newerColumn} AND p.${clauseColumn} IS NOT NULL`
  return `SELECT *, inserted + (${effective}) AS effective FROM (SELECT (SELECT count(*) FROM (${inserts})) AS inserted, count(*) FILTER (${updated}) AS updated, count(*) FILTER (NOT ${updated}) AS deleted FROM ${decided} d)`
}

// ---------------------------------------------------------------------------------------------- rows

function targetRows({ shape }: Statements, files: readonly LocalFile[]): string {
  return selectFiles({ columns: shape.columns, files, fileColumn, rowColumn })
}

/** Rows of files with what they become; of a row that changes nothing, itself. `where` may ask for `d`, what was decided. */
function rewrittenRows(all: Statements, files: readonly LocalFile[], where: string): string {
  const { shape, updates } = all
  const values = shape.columns.map((column) => {
    const own = `${t}.${identifier(column.name)}`
    const cases = updates.flatMap(({ place, values: set }) => {
      const value = set === null ? `${s}.${identifier(column.name)}` : set.get(column.name)
      return value === undefined ? [] : [`WHEN ${place} THEN ${value}`]
    })
    const value = cases.length === 0 ? own : `CASE d.${clauseColumn} ${cases.join(' ')} ELSE ${own} END`
    return `${value} AS ${identifier(column.name)}`
  })
  const rows = `(${targetRows(all, files)}) AS ${t} LEFT JOIN ${decided} d ON ${sameRow(t, 'd')}`
  const join = `LEFT JOIN ${source} AS ${s} ON d.${clauseColumn} IS NOT NULL AND ${sameKey(shape, s, t)}`
  return `SELECT ${values.join(', ')} FROM ${rows} ${join} WHERE ${where}`
}

function replacedRows(all: Statements, files: readonly LocalFile[]): string {
  return rewrittenRows(all, files, among(all.updates))
}

/** Source rows without a target row, as the first clause that is true of them makes them. */
function insertedRows({ shape, inserting }: Statements): string {
  const cases = inserting.map(
    ({ action, condition }, i) => `WHEN ${condition} THEN ${action === 'insert' ? i : 'NULL'}`,
  )
  const clause = cases.length === 0 ? 'CAST(NULL AS INTEGER)' : `CAST(CASE ${cases.join(' ')} END AS INTEGER)`
  const missing = `SELECT ${s}.*, ${clause} AS ${clauseColumn} FROM ${source} AS ${s} ANTI JOIN (SELECT * FROM ${pairs} WHERE ${matchedColumn}) p ON ${sameKey(shape, s, 'p')} WHERE NOT ${s}.${deleteColumn}`
  const values = shape.columns.map((column) => {
    const none = `CAST(NULL AS ${duckdbType(column.type)})`
    const own = `${s}.${identifier(column.name)}`
    const sets = inserting.flatMap(({ values: set }, i) =>
      set === null ? [] : [`WHEN ${i} THEN ${set.get(column.name) ?? none}`],
    )
    const value = sets.length === 0 ? own : `CASE ${s}.${clauseColumn} ${sets.join(' ')} ELSE ${own} END`
    return `${value} AS ${identifier(column.name)}`
  })
  return `SELECT ${values.join(', ')} FROM (${missing}) AS ${s} WHERE ${s}.${clauseColumn} IS NOT NULL`
}

function changeFeed(all: Statements, files: readonly LocalFile[], inserts: string): string {
  const { shape, updates } = all
  const type = `CASE WHEN ${among(updates)} THEN 'update_preimage' ELSE 'delete' END AS _change_type`
  const own = shape.columns.map(({ name }) => `${t}.${identifier(name)}`).join(', ')
  const before = `SELECT ${own}, ${type} FROM (${targetRows(all, files)}) AS ${t} JOIN ${decided} d ON ${sameRow(t, 'd')}`
  return union(
    before,
    `SELECT *, 'update_postimage' AS _change_type FROM (${replacedRows(all, files)})`,
    `SELECT *, 'insert' AS _change_type FROM (${inserts})`,
  )
}

function union(...queries: readonly string[]): string {
  return queries.map((query) => `(${query})`).join(' UNION ALL ')
}

function names(columns: readonly Column[]): string {
  return columns.map(({ name }) => identifier(name)).join(', ')
}

function among(clauses: readonly RowClause[]): string {
  return `coalesce(d.${clauseColumn} IN (${places(clauses)}), false)`
}

/** No clause has the place -1: a list may not be empty. */
function places(clauses: readonly RowClause[]): string {
  return [-1, ...clauses.map(({ place }) => place)].join(', ')
}

function sameRow(left: string, right: string): string {
  return `${left}.${fileColumn} = ${right}.${fileColumn} AND ${left}.${rowColumn} = ${right}.${rowColumn}`
}
