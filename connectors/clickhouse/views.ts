/** The described views: replaced when their text changes. */
import { MillraceError, messageOf } from '../../engine/errors.ts'
import type { OlapOptions } from '../olap/description.ts'
import type { Clickhouse } from './client.ts'
import { clickhouseError } from './failures.ts'
import { replaceView } from './replace-view.ts'

/**
 * Brings the views up to date with their texts. A view over a table that does not exist yet waits for a later batch;
 * `SINK_FAILED` for a text that is wrong. The text stands in the view's comment.
 * @returns views made or replaced
 */
export async function syncViews(clickhouse: Clickhouse, views: OlapOptions['views']): Promise<number> {
  const wanted = Object.entries(views ?? {})
  if (wanted.length === 0) return 0
  const rows = await clickhouse.rows('SELECT name, comment FROM system.tables WHERE database = currentDatabase()')
  const stored = new Map(rows.map((row) => [row.name, row.comment]))
  let replaced = 0
  for (const [name, { sql }] of wanted) {
    if (stored.get(name) === sql || !(await isReady(clickhouse, name, sql))) continue
    await replaceView(clickhouse, { name, sql, comment: sql })
    replaced += 1
  }
  return replaced
}

async function isReady(clickhouse: Clickhouse, name: string, sql: string): Promise<boolean> {
  try {
    await clickhouse.rows(`SELECT 1 AS one FROM (${sql}) LIMIT 0`)
    return true
  } catch (error) {
    if (!(error instanceof MillraceError) || error.retryable || error.code !== 'SINK_FAILED') throw error
    if (error.context.code === clickhouseError.unknownTable) return false
    throw new MillraceError('SINK_FAILED', `olap view ${name} is not valid: ${messageOf(error)} (correct its sql)`, {
      context: { view: name },
      cause: error,
    })
  }
}
