/** Dead letters, read from their tables. */
import { selectTable } from '../connectors/delta/read.ts'
import type { Row } from '../engine/duckdb.ts'
import { identifier } from '../engine/duckdb.ts'
import type { FoundTable } from './lake-tables.ts'
import type { Place } from './place.ts'

/** What is shown of a dead letter, in this order. */
const shownColumns = [
  'pipeline',
  'step',
  'code',
  'message',
  'topic',
  'partition',
  'offset',
  'timestamp',
  'key',
  'value',
]

/** The `limit` newest dead letters of a table by the time of their record, as rows of {@link shownColumns} and `table`. */
export async function newestLetters(place: Place, { table, snapshot }: FoundTable, limit: number): Promise<Row[]> {
  if ((await snapshot.files()).size === 0) return []
  const columns = snapshot.columns.filter(({ name }) => shownColumns.includes(name))
  const from = await selectTable({
    snapshot: { ...snapshot, columns },
    store: place.lake,
    tablePath: table.path,
    duckdb: place.duckdb,
  })
  const shown = shownColumns.map((name) => {
    const known = columns.some((column) => column.name === name)
    return `${known ? identifier(name) : 'NULL'} AS ${identifier(name)}`
  })
  const sorted = ['timestamp', 'partition', 'offset'].filter((name) => columns.some((column) => column.name === name))
  const order =
    sorted.length === 0 ? '' : `ORDER BY ${sorted.map((name) => `${identifier(name)} DESC NULLS LAST`).join(', ')}`
  const duckdb = await place.duckdb()
  const rows = await duckdb.withConnection((connection) =>
    connection.select(
      `SELECT ${shown.join(', ')} FROM (SELECT * FROM (${from}) ${order} LIMIT ${limit}) AS letters ${order}`,
      {},
    ),
  )
  return rows.map((row) => ({ table: table.path, ...row }))
}

/** Newest first. */
export function byTime(left: Row, right: Row): number {
  const [a, b] = [String(left.timestamp ?? ''), String(right.timestamp ?? '')]
  return a < b ? 1 : a > b ? -1 : 0
}
