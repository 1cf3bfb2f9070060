/** The clauses of a merge: whether they can be, and the rows that each is for as SQL. Pure. */
import { identifier } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Column } from '../../engine/schema.ts'
import type { AddFile } from './actions.ts'
import { assigned } from './constraints/assign.ts'
import { type Expression, parseExpression } from './constraints/parse.ts'
import { Untranslatable } from './constraints/tokens.ts'
import { type Relations, translate } from './constraints/translate.ts'
import type { DeltaMergeClause, DeltaMergeClauses } from './description.ts'
import { outcomesOf } from './file-outcomes.ts'

/** What clauses can be about. */
export interface ClauseColumns {
  readonly key: readonly string[]
  /** Columns of the rows that come; null while nobody knows them. */
  readonly source: readonly Column[] | null
  /** The table's, with those that the rows add to it. */
  readonly target: readonly Column[] | null
}

/** A clause whose condition and values are SQL over the aliases `source` and `target`. */
export interface SqlClause {
  readonly action: DeltaMergeClause['then']
  readonly condition: string
  /** By column, of its type; null: all of the row that comes. */
  readonly values: ReadonlyMap<string, string> | null
}

/** The clauses of a merge, in the order in which they are asked. */
export interface SqlClauses {
  readonly matched: readonly SqlClause[]
  readonly notMatched: readonly SqlClause[]
  readonly notMatchedBySource: readonly SqlClause[]
}

type Kind = keyof DeltaMergeClauses

const defaults: Readonly<Record<Kind, readonly DeltaMergeClause[]>> = {
  whenMatched: [{ then: 'update' }],
  whenNotMatched: [{ then: 'insert' }],
  whenNotMatchedBySource: [],
}

const kinds = Object.keys(defaults) as readonly Kind[]

const actions: Readonly<Record<Kind, readonly DeltaMergeClause['then'][]>> = {
  whenMatched: ['update', 'delete', 'keep'],
  whenNotMatched: ['insert', 'keep'],
  whenNotMatchedBySource: ['update', 'delete', 'keep'],
}

/** The rows that there are where a clause is asked. */
const rowsOf: Readonly<Record<Kind, readonly ('source' | 'target')[]>> = {
  whenMatched: ['source', 'target'],
  whenNotMatched: ['source'],
  whenNotMatchedBySource: ['target'],
}

/** Whether a merge is to do anything else than it does without clauses. */
export function hasClauses(clauses: DeltaMergeClauses): boolean {
  return kinds.some((kind) => clauses[kind] !== undefined)
}

/** `DEFINITION_INVALID`, whose `problems` list every fault at once, unless a merge can have these clauses. */
export function assertClauses(
  table: string,
  clauses: DeltaMergeClauses & { readonly key: readonly string[] },
  columns: readonly Column[] | null,
): void {
  const problems = clauseProblems(clauses, { key: clauses.key, source: columns, target: columns })
  if (problems.length === 0) return
  throw new MillraceError('DEFINITION_INVALID', `table ${table} cannot be merged so: ${problems.join('; ')}`, {
    problems: problems.map((problem) => `table ${table}: ${problem}`),
  })
}

/** What is wrong with them, a line each: see {@link assertClauses}. */
export function clauseProblems(clauses: DeltaMergeClauses, columns: ClauseColumns): string[] {
  return kinds.flatMap((kind) => {
    const asked = clauses[kind] ?? []
    const last = asked.findIndex(isUnconditional)
    return asked.flatMap((clause, i) => {
      const faults = clauseFaults(clause, kind, columns)
      if (last !== -1 && i > last)
        faults.push(`is never asked: ${kind}[${last}] decides of every row (put it before that)`)
      return faults.map((fault) => `${kind}[${i}]: ${fault}`)
    })
  })
}

/** The clauses of a merge as SQL, defaults among them. They must have no problems. */
export function sqlClauses(clauses: DeltaMergeClauses, key: readonly string[], columns: readonly Column[]): SqlClauses {
  const [matched, notMatched, notMatchedBySource] = kinds.map((kind) =>
    (clauses[kind] ?? defaults[kind]).map((clause) => sqlClause(clause, kind, key, columns)),
  ) as [SqlClause[], SqlClause[], SqlClause[]]
  return { matched, notMatched, notMatchedBySource }
}

/** Whether a file may hold a row that a clause changes because its key is in no row of the source. */
export function mayChangeUnmatched(
  { whenNotMatchedBySource = [] }: DeltaMergeClauses,
  columns: readonly Column[],
): (file: AddFile) => boolean {
  const judges = whenNotMatchedBySource.map(({ if: expression = 'true', then }) => {
    return { action: then, outcomes: outcomesOf({ expression, columns, relation: 'target' }) }
  })
  return (file) => {
    for (const { action, outcomes } of judges) {
      const may = outcomes(file)
      if (may.true && action !== 'keep') return true
      if (!may.false && !may.null) return false
    }
    return false
  }
}

function sqlClause(
  { if: expression = 'true', then, set }: DeltaMergeClause,
  kind: Kind,
  key: readonly string[],
  columns: readonly Column[],
): SqlClause {
  const names = namesOf(kind, { source: columns, target: columns })
  const condition = translate(expression, names).sql
  if (set === undefined) return { action: then, condition, values: null }
  const values = new Map<string, string>()
  if (then === 'insert') for (const name of key) values.set(name, `"source".${identifier(name)}`)
  for (const [name, value] of Object.entries(set)) {
    const column = columnNamed(name, columns)!
    values.set(column.name, assigned(value, column, names))
  }
  return { action: then, condition, values }
}

function namesOf(kind: Kind, columns: Readonly<Record<'source' | 'target', readonly Column[]>>): Relations {
  return Object.fromEntries(rowsOf[kind].map((row) => [row, columns[row]]))
}

function columnNamed(name: string, columns: readonly Column[]): Column | undefined {
  return columns.find((column) => column.name.toLowerCase() === name.toLowerCase())
}

// ---------------------------------------------------------------------------------------------- problems

function isUnconditional({ if: condition }: DeltaMergeClause): boolean {
  return condition === undefined || /^\s*true\s*$/i.test(condition)
}

function clauseFaults(clause: DeltaMergeClause, kind: Kind, columns: ClauseColumns): string[] {
  const { if: condition, then, set } = clause
  const faults: string[] = []
  if (!actions[kind].includes(then)) faults.push(`then: ${JSON.stringify(then)} is none of ${actions[kind].join(', ')}`)
  if (condition !== undefined) faults.push(...conditionFaults(condition, kind, columns))
  if (set === undefined) {
    if (kind === 'whenNotMatchedBySource' && then === 'update')
      faults.push('set: an update of rows that nothing comes for needs values (name them: set)')
    return faults
  }
  if (then !== 'update' && then !== 'insert') faults.push(`set: there is nothing to set in ${JSON.stringify(then)}`)
  const names = Object.keys(set)
  if (names.length === 0) faults.push('set: names no column (leave it out to take all of the row that comes)')
  const twice = names.filter((name, i) => names.findIndex((each) => each.toLowerCase() === name.toLowerCase()) < i)
  faults.push(...twice.map((name) => `set: ${name} is named twice (name it once)`))
  return [...faults, ...names.flatMap((name) => valueFaults(name, set[name]!, kind, columns))]
}

function conditionFaults(text: string, kind: Kind, columns: ClauseColumns): string[] {
  const told = (fault: string) => `if: ${text}: ${fault}`
  return expressionFaults(text, kind, columns, (names) => void translate(text, names)).map(told)
}

function valueFaults(name: string, text: string, kind: Kind, columns: ClauseColumns): string[] {
  const told = (fault: string) => `set ${name}: ${text}: ${fault}`
  if (columns.key.some((key) => key.toLowerCase() === name.toLowerCase()) && !isKeyItself(name, text))
    return [`set ${name}: the key of a row stays what it is (leave it out)`]
  const column = columns.target === null ? null : columnNamed(name, columns.target)
  if (column === undefined) return [`set ${name}: there is no such column (the columns are ${listed(columns.target!)})`]
  return expressionFaults(text, kind, columns, (names) => {
    if (column !== null) assigned(text, column, names)
  }).map(told)
}

function isKeyItself(name: string, text: string): boolean {
  return text.replaceAll('`', '').trim().toLowerCase() === `source.${name.toLowerCase()}`
}

/** Names are looked at one by one, so that all that are wrong are told; then what the expression does with them. */
function expressionFaults(text: string, kind: Kind, columns: ClauseColumns, use: (names: Relations) => void): string[] {
  try {
    const faults = [...new Set(pathsIn(parseExpression(text)).flatMap((path) => nameFaults(path, kind, columns)))]
    const { source, target } = columns
    if (faults.length === 0 && source !== null && target !== null) use(namesOf(kind, { source, target }))
    return faults
  } catch (error) {
    if (error instanceof Untranslatable) return [`${error.message} is not supported (write it in other words)`]
    throw error
  }
}

function nameFaults([relation = '', name]: readonly string[], kind: Kind, columns: ClauseColumns): string[] {
  const row = relation.toLowerCase()
  const there = rowsOf[kind]
  if (name === undefined || (row !== 'source' && row !== 'target'))
    return [`${relation} is no column of a row (write ${there.map((each) => `${each}.<column>`).join(' or ')})`]
  if (!there.includes(row)) return [`${relation}.${name}: there is no ${row} row here (only ${there.join(', ')})`]
  const known = columns[row]
  if (known === null || columnNamed(name, known) !== undefined) return []
  return [`there is no column ${name} in ${row} (its columns are ${listed(known)})`]
}

function listed(columns: readonly Column[]): string {
  return columns.map(({ name }) => name).join(', ')
}

function pathsIn(tree: Expression): (readonly string[])[] {
  if (tree.kind === 'column') return [tree.path]
  const parts = Object.values(tree).flat() as readonly unknown[]
  return parts.flatMap((part) => (typeof part === 'object' && part !== null ? pathsIn(part as Expression) : []))
}
