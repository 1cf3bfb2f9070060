/** Which rows of a statement Neo4j does not take: tried in halves, each in a transaction that is undone. */
import type { Connection } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { RefusedKey } from '../graph/sync/refused.ts'
import { lockGraph } from './catalog.ts'
import type { Neo4j, Value } from './client.ts'
import { rowsOf, type StatementRefused } from './exchange.ts'

/**
 * The keys of the rows that are refused, each with Neo4j's own words; the same whatever else the graph holds. Empty if each of the rows is taken
 * alone: then it was not their content.
 */
export async function findRefused(
  neo4j: Neo4j,
  sql: Connection,
  { origin, statement, query }: StatementRefused,
): Promise<RefusedKey[]> {
  const { names } = await sql.describe(query)
  const found: RefusedKey[] = []
  const search = async (rows: readonly Value[]): Promise<void> => {
    const message = await refusal(neo4j, statement, rows)
    if (message === null) return
    if (rows.length === 1) {
      const row = [rows[0]!].flat() // of one column it is the value itself
      const value = (name: string) => String(row[names.indexOf(name)])
      const ends = origin.kind === 'relationships' ? { f: value('f'), t: value('t') } : {}
      found.push({ origin, k: value('k'), ...ends, message })
      return
    }
    const half = Math.ceil(rows.length / 2)
    await search(rows.slice(0, half))
    await search(rows.slice(half))
  }
  for await (const rows of rowsOf(sql, query)) await search(rows)
  return found
}

/** Why the statement is not run over the rows; null if it is. What may pass is thrown. */
async function refusal(neo4j: Neo4j, statement: string, rows: readonly Value[]): Promise<string | null> {
  const transaction = await neo4j.begin()
  try {
    await lockGraph(transaction.run, 'a search for rows that are refused')
    await transaction.run(statement, { rows })
    return null
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'SINK_FAILED' || error.retryable) throw error
    // the number of a node that was not made is another one each time
    return String(error.context.said).replace(/, element id: [^,]*/, '')
  } finally {
    await transaction.rollback()
  }
}
