/** Rows between DuckDB, where they are compared, and the transaction of a graph: what a store must have for it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Connection, exactPaths } from '../../../engine/duckdb.ts'
import { MillraceError } from '../../../engine/errors.ts'
import type { PropertyType } from '../description.ts'
import type { TypedRelationship } from '../relationships.ts'
import type { CypherDialect, GraphParameters, GraphRow } from '../store.ts'

/** What writing needs to be spelled beside what questions need. */
export interface WritingDialect extends CypherDialect {
  /** What tells a relationship apart from all others as long as a transaction lasts. */
  relationshipId(variable: string): string
  /** Its type in DuckDB. */
  readonly relationshipIdType: 'BIGINT' | 'VARCHAR'
  /**
   * What makes a `MATCH` look a node up by its key, where the store may think that reading all of a kind costs less: it counts what is there
   * when it plans, not what comes.
   */
  seek(variable: string, label: string, key: string): string
  /** How both ends of a new relationship are found, which exist. */
  readonly endsBy: 'MATCH' | 'MERGE'
  /** A given column as the property's value: days and times are given as text. */
  value(column: string, type: PropertyType): string
}

/**
 * What rows that are written stand for, so that those can be named that a store refuses: nodes and stubs by their key in `k`,
 * relationships by those of their ends in `f` and `t` and their own in `k`.
 */
export type Origin =
  | { readonly kind: 'nodes' | 'stubs'; readonly label: string }
  | { readonly kind: 'relationships'; readonly relationship: TypedRelationship }

/** Rows of DuckDB that statements of the graph run over: each begins with the columns of the row as variables. */
export interface Given {
  readonly rows: number
  /**
   * The results of all rows.
   * @param alone the same for rows whose nodes may not be there, to try what is in them; by default the statement itself
   */
  run(cypher: string, alone?: string): Promise<readonly GraphRow[]>
}

/** Nodes that are sought by their keys, and a statement over them. */
export interface SoughtNodes {
  /** Of keys, in `given`. */
  readonly query: string
  readonly variable: string
  readonly label: string
  readonly key: string
  /** A statement with the node as it is written in a pattern, and what follows the pattern. */
  statement(node: string, clause: string): string
}

/** DuckDB's temporary tables on one side, the graph's transaction on the other. */
export interface Exchange {
  readonly sql: Connection
  readonly dialect: WritingDialect
  run(cypher: string, parameters?: GraphParameters): Promise<readonly GraphRow[]>
  /** Rows of a query; null if there are none. The query must give the same rows until they have been run over. */
  give(query: string, origin?: Origin): Promise<Given | null>
  /**
   * Runs a statement over the nodes of a label whose keys a query gives in `given`, in parts, and makes a temporary table of the results, as `take` does. What
   * it reads are those nodes and what they are joined with, however much else there is.
   */
  find(nodes: SoughtNodes, table: string, columns: readonly string[]): Promise<void>
  /**
   * Results as a new temporary table. `columns` are its names and types; 64-bit numbers must be returned as text.
   * @returns rows taken
   */
  take(table: string, rows: readonly GraphRow[], columns: readonly string[]): Promise<number>
}

/** Runs `work` with a new folder in `stagingDir` for an exchange's files, which is gone afterwards. */
export async function withFolder<T>(stagingDir: string, work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(stagingDir, 'graph-'))
  try {
    return await work(dir)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** The number in the only row and column of a query. */
export async function countIn(sql: Connection, query: string): Promise<number> {
  const [row] = await sql.rows(query)
  return Number(Object.values(row ?? {})[0] ?? 0)
}

/** Temporary tables of what queries give, by name. Returns how many rows each has. */
export async function createTables(
  sql: Connection,
  queries: readonly (readonly [table: string, query: string])[],
): Promise<ReadonlyMap<string, number>> {
  if (queries.length === 0) return new Map()
  await sql.run(queries.map(([table, query]) => `CREATE OR REPLACE TEMP TABLE ${table} AS ${query}`).join(';\n'))
  const counts = queries.map(([table], i) => `(SELECT count(*) FROM ${table}) AS n${i}`)
  const [row] = await sql.rows(`SELECT ${counts.join(', ')}`)
  return new Map(queries.map(([table], i) => [table, Number(row?.[`n${i}`])]))
}

/** Rows of a statement for a temporary table with columns of these names and types. */
interface TakenRows {
  readonly table: string
  readonly rows: readonly GraphRow[]
  readonly columns: readonly string[]
}

/** {@link Exchange.take} by way of a new file. */
export async function takeOver(sql: Connection, path: string, taken: TakenRows): Promise<number> {
  await createEmpty(sql, taken.table, taken.columns)
  return appendRows(sql, path, taken)
}

/** A new temporary table without rows. */
export async function createEmpty(sql: Connection, table: string, columns: readonly string[]): Promise<void> {
  await sql.run(`CREATE OR REPLACE TEMP TABLE ${table} (${columns.join(', ')})`)
}

/** Puts rows into a table that is there, by way of a new file. */
export async function appendRows(sql: Connection, path: string, { table, rows, columns }: TakenRows): Promise<number> {
  if (rows.length === 0) return 0
  const lines = rows.map((row) => `${JSON.stringify(row)}\n`)
  await writeFile(path, lines.join(''))
  const longest = lines.reduce((most, line) => Math.max(most, Buffer.byteLength(line)), 0)
  await sql.run(`INSERT INTO ${table} ${readRows(path, columns, longest)}`)
  return rows.length
}

/**
 * A query for the rows of a file of JSON lines, every column read as text. Each of its threads takes memory for two of the longest lines: by default for
 * lines of 16 MiB.
 */
function readRows(path: string, columns: readonly string[], longestLine: number): string {
  const split = columns.map((column) => column.split(' '))
  const asText = split.map(([name]) => `${name}: 'VARCHAR'`).join(', ')
  const cast = split.map(([name, type]) => `CAST(${name} AS ${type}) AS ${name}`).join(', ')
  const options = `format = 'newline_delimited', maximum_object_size = ${Math.max(longestLine, leastLineBytes)}`
  return `SELECT ${cast} FROM read_json(${exactPaths([path])}, hive_partitioning = false, ${options}, columns = {${asText}})`
}

/** Smaller parts of a file are not worth their number. */
const leastLineBytes = 2 ** 18

/** The sum of what a statement counted as `n`. */
export function counted(rows: readonly GraphRow[]): number {
  return rows.reduce((sum, row) => sum + Number(row.n), 0)
}

/** A look-up that tells of some rows only, and of all how many they are: what it told, as rows of `columns`. */
export function looked(
  what: string,
  results: readonly GraphRow[],
  { wanted, columns }: { readonly wanted: number; readonly columns: readonly string[] },
): GraphRow[] {
  expectRows(`${what} looked up`, counted(results), wanted)
  const told = results.flatMap(({ told: lists }) => lists as (readonly unknown[] | null)[])
  const some = told.filter((values) => values !== null) // embedded, of no values a list is made that holds one null
  return some.map((values) => Object.fromEntries(columns.map((column, i) => [column, values[i]])))
}

/** A graph engine has been seen to do nothing without saying so: what it reports is compared with what was asked. */
export function expectRows(what: string, done: number, wanted: number): void {
  if (done === wanted) return
  throw new MillraceError('SINK_FAILED', `graph store: ${done} ${what}, ${wanted} expected (nothing was committed)`)
}
