/** Reading the OLAP store in ClickHouse. */
import { type Clickhouse, quoted } from './client.ts'
import { own, rowsTable, storedColumns } from './tables.ts'
import { isNested, isoName } from './types.ts'

/** Rows per table, by name, deleted ones left out; described views are not counted. Empty before the first commit. */
export async function countRows(clickhouse: Clickhouse): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const name of await tableNames(clickhouse)) {
    const [row] = await clickhouse.rows(`SELECT count() AS n FROM ${quoted(name)}`)
    counts.set(name, Number(row?.n))
  }
  return counts
}

/** Tables by the name that readers use, in order. */
export async function tableNames(clickhouse: Clickhouse): Promise<string[]> {
  const prefix = rowsTable('')
  const rows = await clickhouse.rows(
    `SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, {prefix:String}) ORDER BY name`,
    { prefix },
  )
  return rows.map(({ name }) => String(name).slice(prefix.length))
}

/** Views that stand over the tables, in order. */
export async function viewNames(clickhouse: Clickhouse): Promise<string[]> {
  const tables = new Set(await tableNames(clickhouse))
  const rows = await clickhouse.rows(
    `SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View' AND comment != '' ORDER BY name`,
  )
  return rows.map(({ name }) => String(name)).filter((name) => !tables.has(name))
}

/** Writes a view's rows, or a table's, to a Parquet file that holds them as they came: each `columns` entry reads one column from it. */
export async function downloadRows(clickhouse: Clickhouse, name: string, path: string): Promise<readonly ReadBack[]> {
  const columns = await storedColumns(clickhouse, name)
  if (columns.length === 0) {
    await clickhouse.download(`SELECT * FROM ${quoted(name)}`, path)
    return []
  }
  await clickhouse.download(`SELECT * FROM ${quoted(rowsTable(name))} FINAL`, path)
  return columns.map((column) => {
    if (column.typeName === 'date') return { ...column, stored: isoName(column.name), nulls: null }
    return { ...column, stored: column.name, nulls: isNested(column.typeName) ? own.nulls : null }
  })
}

/** How a column is read back from a file of {@link downloadRows}. */
export interface ReadBack {
  readonly name: string
  /** Its type, by our name. */
  readonly typeName: string
  /** The column of the file that holds its values; a date's as text. */
  readonly stored: string
  /** The column that lists the name where the value is null; null: the value itself says so. */
  readonly nulls: string | null
}
