/** What one batch changes in one table: the rows that differ from what the store holds, and nothing else. */
import { join } from 'node:path'
import { type Connection, identifier, literal, parquetRows } from '../../engine/duckdb.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'
import { keyPairs, ownerPairs, parquet, same } from '../olap/columns.ts'
import type { OlapTable } from '../olap/description.ts'
import { type Clickhouse, quoted, text } from './client.ts'
import { isHeld, refuseRows } from './refused-rows.ts'
import { keyColumns, own, rowsTable, type StoredColumn, storedName } from './tables.ts'
import { isoName, nullsExpression, storedExpressions } from './types.ts'

/** One table of one batch. */
export interface TableBatch {
  readonly pipeline: string
  readonly name: string
  readonly table: OlapTable
  readonly files: readonly ParquetFile[]
  /** Columns of the files, in the table's order. */
  readonly incoming: readonly Column[]
  /** Columns of the table; never empty. */
  readonly stored: readonly StoredColumn[]
  /** Of the batch; see `versionOf`. */
  readonly version: bigint
  /** Rows that ClickHouse cannot hold are left out: they are dealt with. Else they are an error. */
  readonly withoutRefused: boolean
}

/** The rows to write, as a file that ClickHouse takes as it is. */
export interface Changes {
  readonly name: string
  /** The greatest version of the rows of the owners touched, once these are written. */
  readonly newest: bigint
  /** Null: nothing differs. */
  readonly path: string | null
  /** Of the content: the same rows have the same, and others another. */
  readonly token: string
  readonly counts: Readonly<Record<ChangeKind, number>>
}

type ChangeKind = 'inserted' | 'updated' | 'deleted' | 'unchanged'

/** Bounds the length of a request's address. */
const ownersPerQuery = 1000

/** Names of the key and owner columns, without repetition. */
function identifying({ table, stored }: TableBatch): string[] {
  return [...new Set([...table.key, ...Object.keys(table.owner)])].filter((name) =>
    stored.some((column) => column.name === name),
  )
}

/**
 * Compares the input with what the store holds of the owners touched (relation `temp.owners`). Rows get the version of the batch, or a greater one
 * where the store holds a greater one already. Files go to `dir`.
 */
export async function findChanges(
  connection: Connection,
  clickhouse: Clickhouse,
  batch: TableBatch,
  dir: string,
): Promise<Changes> {
  if (!batch.withoutRefused) await refuseRows(connection, batch)
  const owners = await ownersOf(connection, batch)
  // Both are waited for, whatever becomes of one: they use the connection and the folder.
  const [downloaded, read] = await Promise.allSettled([
    downloadStored(owners, clickhouse, batch, dir),
    batch.files.length === 0 ? null : readIncoming(connection, batch),
  ])
  if (read.status === 'rejected') throw read.reason
  if (downloaded.status === 'rejected') throw downloaded.reason
  await connection.run(storedRows(batch, downloaded.value))
  if (batch.files.length === 0)
    await connection.run('CREATE OR REPLACE TEMP TABLE incoming AS FROM temp.stored LIMIT 0')
  const [held] = await connection.rows('SELECT 1 FROM temp.stored LIMIT 1')
  if (held === undefined) return everything(connection, batch, dir)
  await connection.run(compared(batch))
  const counts = { inserted: 0, updated: 0, deleted: 0, unchanged: 0 }
  for (const row of await connection.rows('SELECT kind, count(*) AS n FROM temp.compared GROUP BY kind'))
    counts[row.kind as ChangeKind] = Number(row.n)
  const newest = await newestVersion(connection)
  if (counts.inserted + counts.updated + counts.deleted === 0)
    return { name: batch.name, newest, path: null, token: '', counts }
  const path = changesPath(batch, dir)
  await connection.run(`COPY (${changedRows(batch)}) TO ${literal(path)} (FORMAT parquet, COMPRESSION snappy)`)
  const ids = identifying(batch).map((column) => `c.${identifier(column)}`)
  const [row] = await connection.rows(
    `SELECT bit_xor(h)::VARCHAR || '-' || sum(h)::VARCHAR AS token FROM (
       SELECT hash(c.kind, c.${own.version}, c.${own.hash}, ${ids.join(', ')}) AS h FROM temp.compared c WHERE c.kind != 'unchanged')`,
  )
  return { name: batch.name, newest, path, token: String(row?.token), counts }
}

function changesPath({ name }: TableBatch, dir: string): string {
  return join(dir, `${encodeURIComponent(name)}.changes.parquet`)
}

/** Where nothing is stored of the owners there is nothing to compare: all rows are new. */
async function everything(connection: Connection, batch: TableBatch, dir: string): Promise<Changes> {
  const { name, version } = batch
  const ids = identifying(batch).map((column) => `i.${identifier(column)}`)
  const [row] = await connection.rows(
    `SELECT count(*) AS n, bit_xor(h)::VARCHAR || '-' || sum(h)::VARCHAR AS token
     FROM (SELECT hash(i.${own.hash}, ${ids.join(', ')}) AS h FROM temp.incoming i)`,
  )
  const inserted = Number(row?.n)
  const counts = { inserted, updated: 0, deleted: 0, unchanged: 0 }
  if (inserted === 0) return { name, newest: 0n, path: null, token: '', counts }
  const path = changesPath(batch, dir)
  const rows = liveRows(batch, { hash: `i.${own.hash}`, version: `${version}::UBIGINT AS ${own.version}` })
  await connection.run(`COPY (${rows} FROM temp.incoming i) TO ${literal(path)} (FORMAT parquet, COMPRESSION snappy)`)
  return { name, newest: version, path, token: String(row?.token), counts }
}

/** Of rows that another try of the batch wrote, too. */
async function newestVersion(connection: Connection): Promise<bigint> {
  const [row] = await connection.rows(
    `SELECT greatest((SELECT max(${own.version}) FROM temp.stored),
       (SELECT max(${own.version}) FROM temp.compared WHERE kind != 'unchanged'), 0)::VARCHAR AS newest`,
  )
  return BigInt(String(row?.newest))
}

/** Into `temp.incoming`. Of several rows with one key the greatest wins, as in the embedded store. */
async function readIncoming(connection: Connection, { table, files, incoming }: TableBatch): Promise<void> {
  const hash = `${hashOf('r', incoming)} AS ${own.hash}`
  const order = incoming.map(({ name }) => `r.${identifier(name)} DESC`).join(', ')
  const names = incoming.map(({ name }) => `r.${identifier(name)}`).join(', ')
  const key = table.key.map((name) => `r.${identifier(name)}`).join(', ')
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE incoming AS SELECT ${names}, ${hash} FROM ${parquet(files)} r
     SEMI JOIN temp.owners o ON ${same(ownerPairs(table), 'r', 'o')} WHERE ${isHeld('r', incoming)}`,
  )
  // Sorting every row is dear, and hardly ever is a key there twice.
  const twice = await connection.rows(`SELECT 1 FROM temp.incoming r GROUP BY ${key} HAVING count(*) > 1 LIMIT 1`)
  if (twice.length > 0)
    await connection.run(
      `CREATE OR REPLACE TEMP TABLE incoming AS FROM temp.incoming r
       QUALIFY row_number() OVER (PARTITION BY ${key} ORDER BY ${order}) = 1`,
    )
}

/**
 * Of the values that are there, by name: a column that is added with nulls changes no row. Each is mixed twice, so that values which change places, or two
 * equal ones that change alike, do not cancel out.
 */
function hashOf(relation: string, columns: readonly Column[]): string {
  const parts = columns.map(({ name }) => {
    const value = `${relation}.${identifier(name)}`
    return `CASE WHEN ${value} IS NULL THEN 0::UBIGINT ELSE hash(hash(${literal(name)}, ${value}), ${literal(name)}) END`
  })
  return `CAST(${parts.reduce((left, right) => `xor(${left}, ${right})`)} AS VARCHAR)`
}

/** The owners touched, as text, in parts that one request takes; at least one. */
async function ownersOf(connection: Connection, { table }: TableBatch): Promise<Record<string, unknown>[]> {
  const owners = Object.values(table.owner)
  const columns = owners.map((column, i) => `CAST(${identifier(column)} AS VARCHAR) AS o${i}`)
  const lists = owners.map((_, i) => `list(o${i} ORDER BY place) AS o${i}`)
  const parts = await connection.rows(
    `SELECT ${lists.join(', ')} FROM (SELECT *, row_number() OVER () - 1 AS place FROM (SELECT ${columns.join(', ')} FROM temp.owners))
     GROUP BY place // ${ownersPerQuery}`,
  )
  return parts.length === 0 ? [Object.fromEntries(owners.map((_, i) => [`o${i}`, []]))] : parts
}

/** The newest version of each row of the owners, deleted ones included, as files. */
async function downloadStored(
  owners: readonly Readonly<Record<string, unknown>>[],
  clickhouse: Clickhouse,
  batch: TableBatch,
  dir: string,
): Promise<string[]> {
  const sql = storedQuery(batch)
  const paths = owners.map((_, i) => join(dir, `${encodeURIComponent(batch.name)}.stored-${i}.parquet`))
  for (const [i, part] of owners.entries()) await clickhouse.download(sql, paths[i]!, part)
  return paths
}

function storedRows(batch: TableBatch, paths: readonly string[]): string {
  const names = identifying(batch).map((column) =>
    isDate(column, batch.stored) ? `CAST(${identifier(column)} AS DATE) AS ${identifier(column)}` : identifier(column),
  )
  return `CREATE OR REPLACE TEMP TABLE stored AS SELECT ${[...names, own.hash, own.version, own.deleted].join(', ')}
     FROM ${parquetRows(paths)}`
}

/** Key columns have an index: it is used where the owner begins the key. */
function storedQuery(batch: TableBatch): string {
  const { name, table, stored } = batch
  const rows = quoted(rowsTable(name))
  const key = keyColumns(table, stored).map(quoted).join(', ')
  const owner = Object.keys(table.owner)
  const owned = `(${owner.map((column) => quoted(storedName(column, stored))).join(', ')}) IN (SELECT ${owner
    .map((column, i) => `CAST(tupleElement(p, ${i + 1}), ${text(ownerType(column, stored))})`)
    .join(
      ', ',
    )} FROM (SELECT arrayJoin(arrayZip(${owner.map((_, i) => `{o${i}:Array(Nullable(String))}`).join(', ')})) AS p))`
  const inKey = owner.every((column) => table.key.includes(column))
  const where = inKey ? owned : `(${key}) IN (SELECT ${key} FROM ${rows} WHERE ${owned})`
  const listed = identifying(batch).map((column) =>
    isDate(column, stored) ? `${quoted(isoName(column))} AS ${quoted(column)}` : quoted(column),
  )
  const newest = `SELECT * FROM ${rows} WHERE ${where} ORDER BY ${own.version} DESC LIMIT 1 BY ${key}`
  return `SELECT ${[...listed, own.hash, own.version, own.deleted].join(', ')} FROM (${newest}) AS newest
    ${inKey ? '' : `WHERE ${owned}`} SETTINGS transform_null_in = 1`
}

function ownerType(name: string, stored: readonly StoredColumn[]): string {
  return isDate(name, stored) ? 'Nullable(String)' : stored.find((column) => column.name === name)!.type
}

function isDate(name: string, stored: readonly StoredColumn[]): boolean {
  return stored.some((column) => column.name === name && column.typeName === 'date')
}

/** One row for each key of either side, but for those that were deleted before and still are. */
function compared(batch: TableBatch): string {
  const { table, version } = batch
  const names = identifying(batch).map(identifier)
  const either = names.map((name) => `CASE WHEN i.${own.hash} IS NULL THEN s.${name} ELSE i.${name} END AS ${name}`)
  return `CREATE OR REPLACE TEMP TABLE compared AS
    SELECT ${either.join(', ')}, i.row, coalesce(i.${own.hash}, '') AS ${own.hash},
      greatest(${version}::UBIGINT, coalesce(s.${own.version} + 1, 0)::UBIGINT) AS ${own.version}, CASE
      WHEN i.${own.hash} IS NULL THEN 'deleted' WHEN s.${own.hash} IS NULL OR s.${own.deleted} = 1 THEN 'inserted'
      WHEN s.${own.hash} != i.${own.hash} THEN 'updated' ELSE 'unchanged' END AS kind
    FROM (SELECT rowid AS row, * FROM temp.incoming) i FULL JOIN temp.stored s ON ${same(keyPairs(table), 's', 'i')}
    WHERE i.${own.hash} IS NOT NULL OR s.${own.deleted} = 0`
}

/** Live rows whole; of deleted ones what identifies them. */
function changedRows(batch: TableBatch): string {
  const compared = { hash: `c.${own.hash}`, version: `c.${own.version}` }
  const ids = identifying(batch).flatMap((name) => {
    const type = isDate(name, batch.stored) ? 'date' : 'string' // else stored as it is
    return storedExpressions('c', { name, type }).map(named)
  })
  const rows = `${liveRows(batch, compared)}
    FROM temp.compared c JOIN temp.incoming i ON i.rowid = c.row WHERE c.kind IN ('inserted', 'updated')`
  const tombstones = `SELECT ${ids.join(', ')}, []::VARCHAR[] AS ${own.nulls}, ${marks(batch, compared, 1)}
    FROM temp.compared c WHERE c.kind = 'deleted'`
  return batch.files.length === 0 ? tombstones : `${rows} UNION ALL BY NAME ${tombstones}`
}

/** Expressions for the hash and the version of a row. */
interface Marks {
  readonly hash: string
  readonly version: string
}

/** Rows of `temp.incoming` (relation `i`) as they are stored. */
function liveRows(batch: TableBatch, of: Marks): string {
  const columns = batch.incoming.flatMap((column) => storedExpressions('i', column)).map(named)
  return `SELECT ${columns.join(', ')}, ${nullsExpression('i', batch.incoming)} AS ${own.nulls}, ${marks(batch, of, 0)}`
}

function marks({ pipeline }: TableBatch, { hash, version }: Marks, deleted: 0 | 1): string {
  return `${hash}, ${version}, ${deleted}::UTINYINT AS ${own.deleted}, ${literal(pipeline)} AS ${own.pipeline}`
}

function named([expression, name]: readonly [string, string]): string {
  return `${expression} AS ${identifier(name)}`
}
