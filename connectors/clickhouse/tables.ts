/** The tables behind the views that readers use. */
import { MillraceError } from '../../engine/errors.ts'
import { type Column, formatType } from '../../engine/schema.ts'
import { checkType } from '../olap/columns.ts'
import type { OlapTable } from '../olap/description.ts'
import { type Clickhouse, quoted, text } from './client.ts'
import { replaceView } from './replace-view.ts'
import { clickhouseType, isoName, nullsColumn } from './types.ts'

/** Columns of ours, beside the described ones. */
export const own = {
  version: '_millrace_version',
  deleted: '_millrace_deleted',
  hash: '_millrace_hash',
  nulls: nullsColumn,
  /** The pipeline that wrote the row; empty in rows of earlier versions. */
  pipeline: '_millrace_pipeline',
} as const

/** The table that holds the rows of every version; the view of the plain name shows the newest that are not deleted. */
export function rowsTable(name: string): string {
  return `_millrace_rows_${name}`
}

/** A column as the store holds it: its type by our name ({@link formatType}) and by ClickHouse's. */
export interface StoredColumn {
  readonly name: string
  readonly type: string
  readonly typeName: string
}

/** The described columns of a table, in order; none if there is no table. */
export async function storedColumns(clickhouse: Clickhouse, table: string): Promise<StoredColumn[]> {
  return describedOf(await allColumns(clickhouse, table))
}

/** Those of ours too, and what stands beside described ones: they have no type name. */
async function allColumns(clickhouse: Clickhouse, table: string): Promise<StoredColumn[]> {
  const rows = await clickhouse.rows(
    'SELECT name, type, comment FROM system.columns WHERE database = currentDatabase() AND table = {table:String} ORDER BY position',
    { table: rowsTable(table) },
  )
  return rows.map(({ name, type, comment }) => ({
    name: String(name),
    type: String(type),
    typeName: String(comment),
  }))
}

function describedOf(columns: readonly StoredColumn[]): StoredColumn[] {
  return columns.filter(({ typeName }) => typeName !== '')
}

/**
 * Creates or widens a table and its view; nothing is made for no columns.
 * @returns its columns afterwards, none if there is no table
 * @throws MillraceError `SCHEMA_MISMATCH` if a column changed its type
 */
export async function growTable(
  clickhouse: Clickhouse,
  { name, table, incoming }: { readonly name: string; readonly table: OlapTable; readonly incoming: readonly Column[] },
): Promise<StoredColumn[]> {
  const all = await allColumns(clickhouse, name)
  const stored = describedOf(all)
  if (stored.length === 0 && incoming.length === 0) return []
  if (stored.length > 0 && !all.some((column) => column.name === own.pipeline))
    await clickhouse.run(`ALTER TABLE ${quoted(rowsTable(name))} ADD COLUMN IF NOT EXISTS ${pipelineColumn}`)
  const known = new Map(stored.map((column) => [column.name, column.typeName]))
  for (const column of incoming) checkType(name, known.get(column.name), column)
  const added = incoming.filter((column) => !known.has(column.name))
  refuseTakenNames(name, [...stored, ...added.map(storedAs)])
  if (stored.length === 0) await clickhouse.run(createTable(name, table, incoming))
  // Another pipeline may have made the same table a moment ago, with columns of its own.
  for (const sql of added.flatMap(columnDefinitions))
    await clickhouse.run(`ALTER TABLE ${quoted(rowsTable(name))} ADD COLUMN IF NOT EXISTS ${sql}`)
  const columns = added.length === 0 ? stored : await storedColumns(clickhouse, name)
  if (added.length > 0 || !(await viewExists(clickhouse, name)))
    await replaceView(clickhouse, { name, sql: newestRows(name, columns), comment: '' })
  return columns
}

/** The columns that a key is compared by: a date's text, which is exact. */
export function keyColumns(table: OlapTable, columns: readonly StoredColumn[]): string[] {
  return table.key.map((name) => storedName(name, columns))
}

/** The name under which a column's exact value is stored. */
export function storedName(name: string, columns: readonly StoredColumn[]): string {
  return columns.some((column) => column.name === name && column.typeName === 'date') ? isoName(name) : name
}

function storedAs({ name, type }: Column): StoredColumn {
  return { name, type: clickhouseType(type), typeName: formatType(type) }
}

const pipelineColumn = `${own.pipeline} LowCardinality(String)`

function createTable(name: string, table: OlapTable, incoming: readonly Column[]): string {
  const described = incoming.map(storedAs)
  const columns = [
    ...incoming.flatMap(columnDefinitions),
    `${own.nulls} Array(String)`,
    `${own.hash} String CODEC(NONE)`,
    `${own.version} UInt64`,
    `${own.deleted} UInt8`,
    pipelineColumn,
    `INDEX ${own.version}_minmax ${own.version} TYPE minmax GRANULARITY 1`,
  ]
  return `CREATE TABLE IF NOT EXISTS ${quoted(rowsTable(name))} (${columns.join(', ')})
    ENGINE = ReplacingMergeTree(${own.version}, ${own.deleted})
    ORDER BY (${keyColumns(table, described).map(quoted).join(', ')})
    SETTINGS allow_nullable_key = 1, non_replicated_deduplication_window = 1000`
}

/** The comment says our type, so that it is known again; what stands beside a column has none. */
function columnDefinitions({ name, type }: Column): string[] {
  const column = `${quoted(name)} ${clickhouseType(type)} COMMENT ${text(formatType(type))}`
  return type === 'date' ? [column, `${quoted(isoName(name))} Nullable(String)`] : [column]
}

function newestRows(name: string, columns: readonly StoredColumn[]): string {
  const names = columns.flatMap((column) =>
    column.typeName === 'date' ? [column.name, isoName(column.name)] : [column.name],
  )
  return `SELECT ${names.map(quoted).join(', ')} FROM ${quoted(rowsTable(name))} FINAL`
}

async function viewExists(clickhouse: Clickhouse, view: string): Promise<boolean> {
  const found = await clickhouse.rows(
    'SELECT 1 AS one FROM system.tables WHERE database = currentDatabase() AND name = {view:String}',
    { view },
  )
  return found.length > 0
}

function refuseTakenNames(table: string, columns: readonly StoredColumn[]): void {
  const names = new Set(columns.map((column) => column.name))
  const taken = columns.find(
    ({ name, typeName }) => name.startsWith('_millrace_') || (typeName === 'date' && names.has(isoName(name))),
  )
  if (taken === undefined) return
  throw new MillraceError(
    'SCHEMA_MISMATCH',
    `olap table ${table}: column ${taken.name} needs a name that is taken in ClickHouse (names that begin with _millrace_, and ${isoName('<date>')} beside a date, are ours: rename the column)`,
    { context: { table, column: taken.name } },
  )
}
