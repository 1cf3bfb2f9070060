/** Looking for rows that break a table's rules, before any of them becomes part of it. */
import { type Connection, identifier, literal, type Row } from '../../../engine/duckdb.ts'
import { MillraceError } from '../../../engine/errors.ts'
import type { Constraint } from './constraints.ts'

export interface EnforceOptions {
  readonly connection: Connection
  readonly constraints: readonly Constraint[]
  /** Query of the rows that are to be written, with the table's columns. */
  readonly rows: string
  /** Columns that tell a reader of the message which row is meant. */
  readonly key: readonly string[]
  /** Path of the table. */
  readonly table: string
}

/** Characters of a value that a message repeats. */
const mostShown = 40

/**
 * Reads the rows once, and not at all if there are no rules. `CONSTRAINT_VIOLATED`, not to be retried, naming the rules that
 * are broken, by how many rows, and one of them for each.
 */
export async function enforce({ connection, constraints, rows, key, table }: EnforceOptions): Promise<void> {
  if (constraints.length === 0) return
  const facts = constraints.flatMap((constraint, i) => {
    const broken = `FILTER (WHERE ${constraint.sql} IS NOT TRUE)`
    return [`count(*) ${broken} AS broken${i}`, `any_value(${shownValues(constraint, key)}) ${broken} AS row${i}`]
  })
  const [found = {}] = await connection.rows(`SELECT ${facts.join(', ')} FROM (${rows})`)
  const broken = constraints.flatMap(({ name }, i) => (Number(found[`broken${i}`]) > 0 ? [said(name, found, i)] : []))
  if (broken.length === 0) return
  throw new MillraceError(
    'CONSTRAINT_VIOLATED',
    `table ${table}: ${broken.join('; ')} (reject such rows in a step before: expect, onViolation: 'dead-letter')`,
    { problems: broken.map((each) => `table ${table}: ${each}`), context: { table } },
  )
}

function said(name: string, found: Row, i: number): string {
  const count = Number(found[`broken${i}`])
  return `${count} row${count === 1 ? ' breaks' : 's break'} its ${name}, one of them with ${found[`row${i}`]}`
}

/** SQL of a text: `id 7, votes -3`. */
export function shownValues(constraint: Pick<Constraint, 'columns'>, key: readonly string[]): string {
  const shown = [...new Set([...key, ...constraint.columns])].map((name) => {
    const text = `coalesce(CAST(${identifier(name)} AS VARCHAR), 'null')`
    const cut = `CASE WHEN length(${text}) > ${mostShown} THEN left(${text}, ${mostShown}) || '…' ELSE ${text} END`
    return `${literal(`${name} `)} || ${cut}`
  })
  return shown.join(` || ', ' || `)
}
