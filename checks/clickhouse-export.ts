/**
 * Writes what ClickHouse reads of every table of a lake that we exported (checks/export.ts) as Parquet: OUT/<name>.rows/0.parquet.
 *
 *   node checks/clickhouse-export.ts DATA_DIR EXPORT_DIR OUT [--without TABLE.COLUMN]...
 *
 * `--without` leaves out a column whose values ClickHouse cannot hold: null structs, days before 1900.
 * Needs CLICKHOUSE_URL, CLICKHOUSE_USER and CLICKHOUSE_PASSWORD of a server on this machine.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { without: { type: 'string', multiple: true, default: [] } },
})
const [dataDir = '', exported = '', out = ''] = positionals
const { CLICKHOUSE_URL, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD } = process.env
if (CLICKHOUSE_URL === undefined) throw new Error('set CLICKHOUSE_URL')
for (const file of readdirSync(exported).filter((each) => each.endsWith('.rows.parquet'))) {
  const name = file.slice(0, -'.rows.parquet'.length)
  const without = values.without
    .filter((each) => each.startsWith(`${name}.`))
    .map((each) => each.slice(name.length + 1))
  const url = new URL(CLICKHOUSE_URL)
  const settings = { wait_end_of_query: '1', session_timezone: 'UTC', output_format_parquet_string_as_string: '1' }
  const path = resolve(dataDir, 'lake', name.replaceAll('__', '/'))
  url.search = String(new URLSearchParams({ ...settings, param_path: path }))
  const response = await fetch(url, {
    method: 'POST',
    body: `SELECT *${without.length === 0 ? '' : ` EXCEPT (${without.join(', ')})`} FROM deltaLakeLocal({path:String}) FORMAT Parquet`,
    headers: { 'X-ClickHouse-User': CLICKHOUSE_USER ?? 'default', 'X-ClickHouse-Key': CLICKHOUSE_PASSWORD ?? '' },
  })
  const body = Buffer.from(await response.arrayBuffer())
  if (!response.ok) throw new Error(`${name}: ${body.toString('utf8', 0, 1000)}`)
  mkdirSync(join(out, `${name}.rows`), { recursive: true })
  writeFileSync(join(out, `${name}.rows`, '0.parquet'), body)
}
