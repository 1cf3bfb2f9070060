/** Views are replaced; what is no view is not ours. */
import { MillraceError } from '../../engine/errors.ts'
import { type Clickhouse, quoted, text } from './client.ts'

/**
 * Creates a view or gives it another text.
 * @param view its name, its text, and what is said beside it; empty: nothing
 * @throws MillraceError `SINK_FAILED` where the database has a table of that name: it stays as it is
 */
export async function replaceView(
  clickhouse: Clickhouse,
  { name, sql, comment }: { readonly name: string; readonly sql: string; readonly comment: string },
): Promise<void> {
  const [there] = await clickhouse.rows(
    'SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = {name:String}',
    { name },
  )
  if (there !== undefined && there.engine !== 'View')
    throw new MillraceError(
      'SINK_FAILED',
      `olap view ${name}: database ${clickhouse.settings.database} has a table of that name which is not ours (give CLICKHOUSE_DATABASE a database of its own)`,
      { context: { view: name } },
    )
  await clickhouse.run(
    `CREATE OR REPLACE VIEW ${quoted(name)} AS ${sql}${comment === '' ? '' : ` COMMENT ${text(comment)}`}`,
  )
}
