/** A table of the OLAP store in ClickHouse as a source: the versions of its rows are the offsets. */
import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { duckdbType } from '../../engine/batch/duckdb-types.ts'
import type { Ids, Limits, Position, Range, TableInput, TableSource } from '../../engine/contracts.ts'
import { type Duckdb, identifier, literal, parquetRows } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { identityPartition } from '../../engine/identity.ts'
import type { Column } from '../../engine/schema.ts'
import type { OlapSourceOptions } from '../olap/description.ts'
import { type Clickhouse, quoted } from './client.ts'
import { heldPositions, movingPartitions, positionsTable, settledVersion } from './positions.ts'
import { own, rowsTable, type StoredColumn, storedColumns, storedName } from './tables.ts'
import { parseType } from './type-names.ts'
import { isNested, isoName } from './types.ts'

export interface ClickhouseSourceOptions extends OlapSourceOptions {
  readonly clickhouse: Clickhouse
  /** Gives what is read its types. */
  readonly duckdb: () => Promise<Duckdb>
  readonly ids: Ids
}

/** Columns that the rows have beside those of the table; named as in a change feed of Delta. */
export const feedColumns: readonly Column[] = [
  { name: '_change_type', type: 'string' },
  { name: '_commit_version', type: 'long' },
]

/**
 * Reads the rows that one pipeline wrote, in the order of its commits: of each key the newest row of a range, deleted ones included. What
 * is not committed yet is not there; a table or pipeline that is not there yet has nothing to read. A range that is read again has no other rows, but
 * lacks those that a later range replaced: ClickHouse drops them when it merges.
 */
export function clickhouseSource(options: ClickhouseSourceOptions): TableSource {
  const { clickhouse, table, writtenBy } = options
  const partition = `olap/${table}/${writtenBy}`
  let attributed = false
  async function settled(): Promise<bigint | null> {
    const held = await heldPositions(clickhouse, writtenBy)
    if (held.length === 0 || (await storedColumns(clickhouse, table)).length === 0) return null
    refuseShared(table, writtenBy, movingPartitions(held))
    if (!attributed) await refuseUnattributed(clickhouse, table)
    attributed = true
    return settledVersion(held)
  }
  const at = (next: bigint): Position => new Map([[partition, next]])
  return {
    shape: 'table',
    start: async () => ((await settled()) === null ? new Map() : at(0n)),
    async identity() {
      const id = await identityOf(clickhouse, table)
      return id === null ? new Map() : new Map([[identityPartition(partition), id]])
    },
    async latest() {
      const version = await settled()
      return version === null ? new Map() : at(version + 1n)
    },
    cut: (range, limits) => cutVersions(options, range, limits),
    async count(range) {
      const [row] = await clickhouse.rows(`SELECT count() AS n FROM ${inRange(table)}`, parameters(options, range))
      return Number(row?.n)
    },
    files: (range, stagingDir) => readRange(options, range, stagingDir),
    async commitOffsets() {},
    async close() {},
  }
}

/** Columns of the rows that a source gives; null where there is no table. */
export async function sourceColumns(clickhouse: Clickhouse, table: string): Promise<Column[] | null> {
  const stored = await storedColumns(clickhouse, table)
  return stored.length === 0 ? null : [...stored.map(columnOf), ...feedColumns]
}

function columnOf({ name, typeName }: StoredColumn): Column {
  return { name, type: parseType(typeName) }
}

function inRange(table: string): string {
  return `${quoted(rowsTable(table))} WHERE ${own.pipeline} = {pipeline:String}
    AND ${own.version} >= {start:UInt64} AND ${own.version} < {end:UInt64}`
}

function parameters({ writtenBy }: OlapSourceOptions, { start, end }: Range): Record<string, string> {
  return { pipeline: writtenBy, start: String(start), end: String(end) }
}

/** Versions are not cut: one may be larger than the limits. Counts what is there, replaced rows too. */
async function cutVersions(
  options: ClickhouseSourceOptions,
  range: Range,
  { maxRecords }: Pick<Limits, 'maxRecords' | 'maxBytes'>,
): Promise<Range> {
  const [row] = await options.clickhouse.rows(
    `SELECT min(v) AS first, maxIf(v, total <= {max:UInt64}) AS fits, max(v) AS last FROM (
       SELECT ${own.version} AS v, sum(count()) OVER (ORDER BY ${own.version}) AS total FROM ${inRange(options.table)} GROUP BY v)`,
    { ...parameters(options, range), max: String(maxRecords) },
  )
  const [first, fits, last] = [row?.first, row?.fits, row?.last].map((version) => BigInt(String(version)))
  if (last === 0n || fits === last) return range
  return { ...range, end: (fits! > 0n ? fits! : first!) + 1n }
}

async function readRange(options: ClickhouseSourceOptions, range: Range, stagingDir: string): Promise<TableInput> {
  const { clickhouse, table, ids } = options
  const stored = await storedColumns(clickhouse, table)
  const columns = [...stored.map(columnOf), ...feedColumns]
  const [raw, path] = [join(stagingDir, `${ids.uuid()}.raw.parquet`), join(stagingDir, `${ids.uuid()}.parquet`)]
  await clickhouse.download(await newestRows(options, stored), raw, parameters(options, range))
  const values = stored.map((column) => `${readBack(column)} AS ${identifier(column.name)}`)
  const marks = [
    `CASE WHEN ${own.deleted} = 1 THEN 'delete' ELSE 'insert' END AS _change_type`,
    `CAST(${own.version} AS BIGINT) AS _commit_version`,
  ]
  await (await options.duckdb()).withConnection((connection) =>
    connection.run(
      `COPY (SELECT ${[...values, ...marks].join(', ')} FROM ${parquetRows([raw])})
       TO ${literal(path)} (FORMAT parquet, COMPRESSION snappy)`,
    ),
  )
  await rm(raw)
  return { columns, files: [{ path, constants: {} }] }
}

async function newestRows(options: ClickhouseSourceOptions, stored: readonly StoredColumn[]): Promise<string> {
  const columns = stored.map((column) => {
    const name = quoted(storedName(column.name, stored))
    return column.typeName === 'binary' ? `hex(${name}) AS ${name}` : name
  })
  const key = await keyOf(options.clickhouse, options.table)
  return `SELECT ${[...columns, own.nulls, own.version, own.deleted].join(', ')} FROM ${inRange(options.table)}
    ORDER BY ${own.version} DESC LIMIT 1 BY ${key}`
}

/** As the table itself says. */
async function keyOf(clickhouse: Clickhouse, table: string): Promise<string> {
  const [row] = await clickhouse.rows(
    'SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = {name:String}',
    { name: rowsTable(table) },
  )
  return String(row?.sorting_key)
}

/** DuckDB expression for a column's value in a downloaded file. */
function readBack(column: StoredColumn): string {
  const type = parseType(column.typeName)
  if (type === 'binary') return `unhex(${identifier(column.name)})`
  const stored = type === 'date' ? isoName(column.name) : column.name
  const value = `CAST(${identifier(stored)} AS ${duckdbType(type)})`
  if (!isNested(column.typeName)) return value
  // A deleted row has no values beside its key.
  return `CASE WHEN ${own.deleted} = 1 OR list_contains(${own.nulls}, ${literal(column.name)}) THEN NULL ELSE ${value} END`
}

/** Of both tables that positions speak of, which ClickHouse gives another one when they are made anew. */
async function identityOf(clickhouse: Clickhouse, table: string): Promise<bigint | null> {
  const rows = await clickhouse.rows(
    `SELECT toString(uuid) AS id FROM system.tables WHERE database = currentDatabase() AND name IN ({rows:String}, {positions:String})
     ORDER BY name`,
    { rows: rowsTable(table), positions: positionsTable },
  )
  if (rows.length < 2) return null
  const digest = createHash('sha256')
    .update(rows.map(({ id }) => String(id)).join())
    .digest()
  return digest.readBigUInt64BE() >> 1n
}

/** Processes that share partitions commit beside each other: a version may then appear after a greater one was read. */
function refuseShared(table: string, writtenBy: string, partitions: readonly string[]): void {
  const [first, second] = partitions.filter((partition) => /\/\d+$/.test(partition))
  if (first === undefined || second === undefined) return
  throw new MillraceError(
    'TABLE_UNSUPPORTED',
    `olap table ${table}: pipeline ${writtenBy} fills it from several partitions of a topic (${first}, ${second}, ...), which processes may do side by side: its rows have no order to read them in (fill it from a table of the lake)`,
    { context: { table, pipeline: writtenBy } },
  )
}

async function refuseUnattributed(clickhouse: Clickhouse, table: string): Promise<void> {
  const columns = await clickhouse.rows(
    'SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String} AND name = {name:String}',
    { table: rowsTable(table), name: own.pipeline },
  )
  const [row] =
    columns.length === 0
      ? [{ n: 1 }]
      : await clickhouse.rows(
          `SELECT count() AS n FROM (SELECT 1 FROM ${quoted(rowsTable(table))} WHERE ${own.pipeline} = '' LIMIT 1)`,
        )
  if (Number(row?.n) === 0) return
  throw new MillraceError(
    'TABLE_UNSUPPORTED',
    `olap table ${table}: it has rows of an earlier version that do not say which pipeline wrote them (drop ${rowsTable(table)} and ${positionsTable}, and run the pipelines that fill the database again)`,
    { context: { table } },
  )
}
