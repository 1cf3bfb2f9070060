/** One table made equal to its input for the owners touched, with the fewest rows written. */
import { describeColumns, duckdbType } from '../../engine/batch/duckdb-types.ts'
import { type Connection, identifier, literal, parquetRows } from '../../engine/duckdb.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'
import { checkColumns, keyPairs, ownerPairs, same, unionColumns } from '../olap/columns.ts'
import type { OlapTable } from '../olap/description.ts'

/** Rows that were really changed: rows equal to what was there do not count. */
export interface TableCounts {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly unchanged: number
}

/** What one batch does to one table. */
export interface TableSync {
  readonly name: string
  readonly table: OlapTable
  readonly files: readonly ParquetFile[]
  /** Of the input, where they are known although it has no rows. */
  readonly columns?: readonly Column[]
  /** Name of a relation with the owners touched. */
  readonly owners: string
}

/** Names of the tables and views in the store. */
async function storedTables(connection: Connection): Promise<Set<string>> {
  const rows = await connection.rows(
    `SELECT table_name AS name FROM duckdb_tables() WHERE database_name = current_database()
     UNION ALL SELECT view_name FROM duckdb_views() WHERE database_name = current_database() AND NOT internal`,
  )
  return new Set(rows.map((row) => String(row.name)))
}

/**
 * Deletes the rows of touched owners that the input no longer has, replaces those that differ, inserts those that are
 * new. Input rows of owners that are not named are not looked at; of several rows with one key the greatest wins. The
 * table is made from the input's columns and grows by nullable ones; `SCHEMA_MISMATCH` if a column changed its type.
 */
export async function syncTable(connection: Connection, sync: TableSync): Promise<TableCounts> {
  const columns = await growTable(connection, sync)
  if (columns === null) return { inserted: 0, updated: 0, deleted: 0, unchanged: 0 }
  await connection.run(incomingRows(sync, columns))
  await connection.run(storedRows(sync))
  await connection.run(changedRows(sync, columns))
  const counts = await countChanges(connection)
  const name = identifier(sync.name)
  if (counts.updated + counts.deleted > 0)
    await connection.run(
      `DELETE FROM ${name} WHERE rowid IN (SELECT old FROM temp.changes WHERE kind IN ('updated', 'deleted'))`,
    )
  if (counts.updated + counts.inserted > 0) await connection.run(insertChanged(name, columns))
  return counts
}

/** What {@link syncTable} would refuse of a batch whatever its rows. Reads no row and writes nothing. */
export async function checkTable(
  connection: Connection,
  { name, table, files, columns = [] }: Omit<TableSync, 'owners'>,
): Promise<void> {
  const incoming = files.length === 0 ? columns : unionColumns(files)
  const isThere = (await storedTables(connection)).has(name)
  checkColumns(
    name,
    table,
    isThere ? await describeColumns(connection, `SELECT * FROM ${identifier(name)}`) : [],
    incoming,
  )
}

/** Creates or widens the table; its columns afterwards, or null where there is neither table nor input. */
export async function growTable(
  connection: Connection,
  { name, files, columns: known = [], table: described }: Omit<TableSync, 'owners'>,
): Promise<readonly Column[] | null> {
  const incoming = files.length === 0 ? known : unionColumns(files)
  const table = identifier(name)
  if (!(await storedTables(connection)).has(name)) {
    if (incoming.length === 0) return null
    checkColumns(name, described, [], incoming)
    await connection.run(`CREATE TABLE ${table} (${incoming.map(columnSql).join(', ')})`)
    return incoming
  }
  const columns = await describeColumns(connection, `SELECT * FROM ${table}`)
  const stored = new Map(columns.map((column) => [column.name, column]))
  const added = incoming.filter((column) => !stored.has(column.name))
  checkColumns(name, described, columns, incoming)
  for (const column of added) await connection.run(`ALTER TABLE ${table} ADD COLUMN ${columnSql(column)}`)
  return [...columns, ...added]
}

function columnSql({ name, type }: Column): string {
  return `${identifier(name)} ${duckdbType(type)}`
}

function incomingRows({ table, files, owners }: TableSync, columns: readonly Column[]): string {
  const present = new Set(unionColumns(files).map((column) => column.name))
  const list = columns.map(({ name, type }) => {
    const value = present.has(name) ? `r.${identifier(name)}` : 'NULL'
    return `CAST(${value} AS ${duckdbType(type)}) AS ${identifier(name)}`
  })
  if (files.length === 0) return `CREATE OR REPLACE TEMP TABLE incoming AS SELECT ${list.join(', ')} LIMIT 0`
  const names = columns.map((column) => `incoming.${identifier(column.name)} DESC`).join(', ')
  return `CREATE OR REPLACE TEMP TABLE incoming AS SELECT * FROM (
    SELECT ${list.join(', ')} FROM ${parquetRows(
      files.map((file) => file.path),
      'union_by_name = true',
    )} r
    SEMI JOIN ${owners} o ON ${same(ownerPairs(table), 'r', 'o')}
  ) incoming QUALIFY row_number() OVER (PARTITION BY ${table.key.map(identifier).join(', ')} ORDER BY ${names}) = 1`
}

/** Stored rows that the batch may change: those of touched owners, and those that hold a key of the input. */
function storedRows({ name, table, owners }: TableSync): string {
  const stored = identifier(name)
  return `CREATE OR REPLACE TEMP TABLE stored AS
    SELECT t.rowid AS millrace_old FROM ${stored} t SEMI JOIN ${owners} o ON ${same(ownerPairs(table), 't', 'o')}
    UNION SELECT t.rowid FROM ${stored} t SEMI JOIN temp.incoming i ON ${same(keyPairs(table), 't', 'i')}`
}

function changedRows({ name, table }: TableSync, columns: readonly Column[]): string {
  const differs = columns.map(({ name: column }) => `s.${identifier(column)} IS DISTINCT FROM i.${identifier(column)}`)
  return `CREATE OR REPLACE TEMP TABLE changes AS
    SELECT s.millrace_old AS old, i.millrace_row AS new, CASE
      WHEN s.millrace_old IS NULL THEN 'inserted' WHEN i.millrace_row IS NULL THEN 'deleted'
      WHEN ${differs.join(' OR ')} THEN 'updated' ELSE 'unchanged' END AS kind
    FROM (SELECT t.rowid AS millrace_old, t.* FROM ${identifier(name)} t WHERE t.rowid IN (SELECT millrace_old FROM temp.stored)) s
    FULL JOIN (SELECT rowid AS millrace_row, * FROM temp.incoming) i ON ${same(keyPairs(table), 's', 'i')}`
}

async function countChanges(connection: Connection): Promise<TableCounts> {
  const counts = { inserted: 0, updated: 0, deleted: 0, unchanged: 0 }
  for (const row of await connection.rows('SELECT kind, count(*) AS n FROM temp.changes GROUP BY kind'))
    counts[row.kind as keyof TableCounts] = Number(row.n)
  return counts
}

function insertChanged(table: string, columns: readonly Column[]): string {
  const names = columns.map((column) => identifier(column.name)).join(', ')
  return `INSERT INTO ${table} (${names}) SELECT ${names} FROM temp.incoming
    WHERE rowid IN (SELECT new FROM temp.changes WHERE kind IN (${['inserted', 'updated'].map(literal).join(', ')}))`
}
