/**
 * Rows between DuckDB and the graph. Into the graph they go as Parquet files, in bulk. Out of it they come as rows of
 * text, because the Parquet files that the graph engine (0.19.1) writes cannot always be read.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Connection, literal } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { RunCypher } from './database.ts'
import { text } from './types.ts'

/** DuckDB's temporary tables on one side, the graph's transaction on the other. */
export interface Exchange {
  readonly sql: Connection
  readonly run: RunCypher
  /** Rows of a query, for `LOAD FROM`; null if there are none, which the graph could not load. */
  give(query: string): Promise<{ readonly source: string; readonly rows: number } | null>
  /**
   * The result of a graph query as a new temporary table. `columns` are its names and types; 64-bit numbers must be
   * returned as text.
   * @returns rows taken
   */
  take(table: string, cypher: string, columns: readonly string[]): Promise<number>
  /** The number in the only row and column of a query. */
  count(query: string): Promise<number>
}

/** Runs `work` with an exchange whose files are gone afterwards. */
export async function withExchange<T>(
  options: { readonly sql: Connection; readonly run: RunCypher; readonly stagingDir: string },
  work: (exchange: Exchange) => Promise<T>,
): Promise<T> {
  const dir = await mkdtemp(join(options.stagingDir, 'graph-'))
  try {
    return await work(exchangeIn(dir, options.sql, options.run))
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

function exchangeIn(dir: string, sql: Connection, run: RunCypher): Exchange {
  let files = 0
  const nextPath = (ending: string): string => {
    files += 1
    return join(dir, `${files}.${ending}`)
  }
  return {
    sql,
    run,
    async give(query) {
      const path = nextPath('parquet')
      const [row] = await sql.rows(`COPY (${query}) TO ${literal(path)} (FORMAT parquet)`)
      const rows = Number(row?.Count ?? 0)
      return rows === 0 ? null : { source: `LOAD FROM ${text(path)}`, rows }
    },
    async take(table, cypher, columns) {
      const path = nextPath('json')
      const rows = await run(cypher)
      await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
      await sql.run(`CREATE OR REPLACE TEMP TABLE ${table} AS ${readRows(path, columns)}`)
      return rows.length
    },
    async count(query) {
      const [row] = await sql.rows(query)
      return Number(Object.values(row ?? {})[0] ?? 0)
    },
  }
}

function readRows(path: string, columns: readonly string[]): string {
  const split = columns.map((column) => column.split(' '))
  const asText = split.map(([name]) => `${name}: 'VARCHAR'`).join(', ')
  const cast = split.map(([name, type]) => `CAST(${name} AS ${type}) AS ${name}`).join(', ')
  return `SELECT ${cast} FROM read_json(${literal(path)}, format = 'newline_delimited', columns = {${asText}})`
}

/** The graph engine has been seen to do nothing without saying so: what it reports is compared with what was asked. */
export function expectRows(what: string, done: unknown, wanted: number): void {
  if (Number(done) === wanted) return
  throw new MillraceError(
    'SINK_FAILED',
    `graph store: ${String(done)} ${what}, ${wanted} expected (nothing was committed)`,
  )
}
