/** Rows between DuckDB and a transaction of Neo4j: parameters of statements in one direction, results in the other. */
import { join } from 'node:path'
import type { Connection } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { name } from '../graph/cypher.ts'
import type { GraphRow } from '../graph/store.ts'
import { countIn, type Exchange, type Origin, takeOver, withFolder } from '../graph/sync/exchange.ts'
import type { ResultRow, RunStatement, Value } from './client.ts'
import { neo4jDialect } from './dialect.ts'

/** Rows of one statement at most: more make it no faster, and the service holds what it has read of a statement in memory. */
const rowsPerStatement = 5_000

/** A statement over rows of which at least one was not taken for what is in it. */
export class StatementRefused extends Error {
  readonly origin: Origin
  readonly statement: string
  readonly query: string
  override readonly cause: MillraceError

  constructor(what: { origin: Origin; statement: string; query: string }, cause: MillraceError) {
    super(cause.message)
    this.origin = what.origin
    this.statement = what.statement
    this.query = what.query
    this.cause = cause
  }
}

/** Runs `work` with an exchange whose files are gone afterwards. It throws {@link StatementRefused}. */
export function withExchange<T>(
  options: { readonly sql: Connection; readonly run: RunStatement; readonly stagingDir: string },
  work: (exchange: Exchange) => Promise<T>,
): Promise<T> {
  return withFolder(options.stagingDir, (dir) => work(exchangeIn(dir, options.sql, options.run)))
}

function exchangeIn(dir: string, sql: Connection, run: RunStatement): Exchange {
  let files = 0
  const exchange: Exchange = {
    sql,
    dialect: neo4jDialect,
    run,
    async find({ query, variable, label, key, statement }, table, columns) {
      const given = await exchange.give(query)
      const node = `(${variable}:${name(label)} {${name(key)}: given})`
      const rows = await given?.run(statement(node, neo4jDialect.seek(variable, label, key)))
      await exchange.take(table, rows ?? [], columns)
    },
    async give(query, origin) {
      const rows = await countIn(sql, `SELECT count(*) FROM (${query})`)
      if (rows === 0) return null
      const { names } = await sql.describe(query)
      return {
        rows,
        async run(cypher, alone = cypher) {
          try {
            return await runOver(run, overRows(names, cypher), rowsOf(sql, query))
          } catch (error) {
            if (origin === undefined || !saysContent(error)) throw error
            const statement = overRows(names, alone)
            throw new StatementRefused({ origin, statement, query }, error)
          }
        },
      }
    },
    take(table, rows, columns) {
      files += 1
      return takeOver(sql, join(dir, `${files}.json`), { table, rows, columns })
    },
  }
  return exchange
}

/** A row is a list, since a map would repeat the names of its columns; of one column it is the value itself, which takes half the time. */
function overRows(names: readonly string[], cypher: string): string {
  if (names.length === 1) return `UNWIND $rows AS ${names[0]} WITH ${names[0]} ${cypher}`
  const columns = names.map((name, i) => `row[${i}] AS ${name}`)
  return `UNWIND $rows AS row WITH ${columns.join(', ')} ${cypher}`
}

/** The next rows are on their way while the service works on the last. */
async function runOver(run: RunStatement, statement: string, batches: AsyncIterable<Value[]>): Promise<GraphRow[]> {
  const results: GraphRow[] = []
  const running: Promise<ResultRow[]>[] = []
  const finish = async (): Promise<void> => {
    for (const row of await running.shift()!) results.push(row)
  }
  for await (const rows of batches) {
    if (running.length > 1) await finish()
    const sent = run(statement, { rows })
    sent.catch(() => {}) // told when it is waited for: after the one that failed first
    running.push(sent)
  }
  while (running.length > 0) await finish()
  return results
}

/** The rows of a query, in its order, some thousand at a time: lists, or of one column its values. */
export async function* rowsOf(sql: Connection, query: string): AsyncIterable<Value[]> {
  let rows: Value[] = []
  for await (const columns of sql.chunks(query)) {
    const height = columns[0]?.length ?? 0
    const [only, ...others] = columns
    if (only !== undefined && others.length === 0) for (const value of only) rows.push(plain(value))
    else for (let i = 0; i < height; i += 1) rows.push(columns.map((column) => plain(column[i])))
    if (rows.length < rowsPerStatement) continue
    yield rows
    rows = []
  }
  if (rows.length > 0) yield rows
}

/** DuckDB's lists are objects that hold their items. */
function plain(value: unknown): Value {
  if (typeof value === 'object' && value !== null && 'items' in value) return (value.items as unknown[]).map(plain)
  return value as Value
}

/** A day that does not exist is a syntax error to Neo4j, a key too long for an index one of its own. */
function saysContent(error: unknown): error is MillraceError {
  return (
    error instanceof MillraceError &&
    error.code === 'SINK_FAILED' &&
    !error.retryable &&
    /^Neo\.(ClientError\.(Statement|Schema)|DatabaseError\.Statement)\./.test(String(error.context.code))
  )
}
