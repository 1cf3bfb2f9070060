/** The store's views: replaced when their text changes. */
import { type Connection, identifier, literal } from '../../engine/duckdb.ts'
import { MillraceError, messageOf } from '../../engine/errors.ts'
import type { OlapOptions } from '../olap/description.ts'

/**
 * Brings the views up to date with their texts. A view over a table that does not exist yet waits for a later batch;
 * `SINK_FAILED` for a text that is wrong.
 * @returns views made or replaced
 */
export async function syncViews(connection: Connection, views: OlapOptions['views']): Promise<number> {
  const wanted = Object.entries(views ?? {})
  if (wanted.length === 0) return 0
  await connection.run('CREATE TABLE IF NOT EXISTS _millrace_views (name VARCHAR, sql VARCHAR)')
  const rows = await connection.rows('SELECT name, sql FROM _millrace_views')
  const stored = new Map(rows.map((row) => [row.name, row.sql]))
  let replaced = 0
  for (const [name, { sql }] of wanted) {
    if (stored.get(name) === sql || !(await isReady(connection, name, sql))) continue
    await connection.run(`CREATE OR REPLACE VIEW ${identifier(name)} AS ${sql}`)
    await connection.run(`DELETE FROM _millrace_views WHERE name = ${literal(name)}`)
    await connection.run(`INSERT INTO _millrace_views VALUES (${literal(name)}, ${literal(sql)})`)
    replaced += 1
  }
  return replaced
}

async function isReady(connection: Connection, name: string, sql: string): Promise<boolean> {
  try {
    await connection.describe(sql)
    return true
  } catch (error) {
    if (/Table with name .* does not exist/i.test(messageOf(error))) return false
    throw new MillraceError('SINK_FAILED', `olap view ${name} is not valid: ${messageOf(error)} (correct its sql)`, {
      context: { view: name },
      cause: error,
    })
  }
}
