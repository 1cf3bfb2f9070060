/**
 * Rows between DuckDB and the graph. Into the graph they go as Parquet files, in bulk. Out of it they come as rows of
 * text, because the Parquet files that the graph engine (0.19.1) writes cannot always be read.
 */
import { join } from 'node:path'
import { type Connection, literal } from '../../engine/duckdb.ts'
import { plainFolder } from '../../engine/plain-path.ts'
import { name } from '../graph/cypher.ts'
import { appendRows, createEmpty, type Exchange, takeOver, withFolder } from '../graph/sync/exchange.ts'
import type { RunCypher } from './database.ts'
import { ladybugDialect } from './dialect.ts'
import { text } from './types.ts'

/**
 * Nodes are sought by a list of keys: over the rows of a file the engine reads all relationships of a type, and keeps them in memory, before it looks at
 * the keys. The results of one list are in memory.
 */
const keysPerStatement = 100

/** Runs `work` with an exchange whose files are gone afterwards. */
export function withExchange<T>(
  options: { readonly sql: Connection; readonly run: RunCypher; readonly stagingDir: string },
  work: (exchange: Exchange) => Promise<T>,
): Promise<T> {
  return withFolder(options.stagingDir, async (dir) => {
    const folder = plainFolder(dir) // the graph engine takes a path for a pattern
    try {
      return await work(exchangeIn(folder.path, options.sql, options.run))
    } finally {
      folder.release()
    }
  })
}

function exchangeIn(dir: string, sql: Connection, run: RunCypher): Exchange {
  let files = 0
  const nextPath = (ending: string): string => {
    files += 1
    return join(dir, `${files}.${ending}`)
  }
  return {
    sql,
    dialect: ladybugDialect,
    run,
    async give(query) {
      const path = nextPath('parquet')
      const [row] = await sql.rows(`COPY (${query}) TO ${literal(path)} (FORMAT parquet)`)
      const rows = Number(row?.Count ?? 0)
      return rows === 0 ? null : { rows, run: (cypher) => run(`LOAD FROM ${text(path)} ${cypher}`) }
    },
    async find({ query, variable, label, key, statement }, table, columns) {
      await createEmpty(sql, table, columns)
      const keys = (await sql.rows(query)).map(({ given }) => (typeof given === 'string' ? text(given) : String(given)))
      for (let at = 0; at < keys.length; at += keysPerStatement) {
        const some = keys.slice(at, at + keysPerStatement).join(', ')
        const rows = await run(statement(`(${variable}:${name(label)})`, `WHERE ${variable}.${name(key)} IN [${some}]`))
        await appendRows(sql, nextPath('json'), { table, rows, columns })
      }
    },
    take: (table, rows, columns) => takeOver(sql, nextPath('json'), { table, rows, columns }),
  }
}
