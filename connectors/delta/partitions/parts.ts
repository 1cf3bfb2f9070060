/** Rows of a table written to staged files: one for each partition, or one for all where there are none. */
import { join } from 'node:path'
import { copyToParquet, copyToParquetParts } from '../../../engine/batch/duckdb-parquet.ts'
import { type Connection, identifier, type Row } from '../../../engine/duckdb.ts'
import { MillraceError } from '../../../engine/errors.ts'
import type { Column, ParquetFile } from '../../../engine/schema.ts'
import { normalizedRows, normalizedValue, type PartitionValues, serializedValue } from './partition-values.ts'

/** A staged file and the partition that all of its rows belong to. */
export interface PartedFile {
  readonly file: ParquetFile
  readonly partitionValues: PartitionValues
}

/** Writes rows of one table, as often as it takes. */
export interface Parts {
  /**
   * Writes the rows of a query to new files, in one pass. Partition columns are not stored in them. Rows without any: no
   * files.
   * @param columns those of the query, partition columns among them
   */
  write(query: string, columns: readonly Column[]): Promise<PartedFile[]>
}

export interface PartsOptions {
  readonly connection: Connection
  /** Existing local folder. */
  readonly dir: string
  /** A name that no file has yet. */
  readonly nextName: () => string
  /** The table's columns. */
  readonly columns: readonly Column[]
  readonly partitionColumns: readonly string[]
  /** Query of at least the partition columns, with every value that rows to be written have in them. */
  readonly values: string
  /** For messages: `table bronze/movies`. */
  readonly name: string
}

/** Each becomes a file of its own. Rows that come in so many are meant to be parted by something coarser. */
const mostParts = 10_000

/**
 * So many are written side by side. Rows of more are sorted first: DuckDB keeps a hundred files open, and would begin a new one
 * for each partition whose file it had to close.
 */
const sideBySide = 50

const table = 'millrace_parts'
const partColumn = '__millrace_part'

/**
 * Gets ready to write rows, once for each connection. Looks up which partitions there are, if there are any columns to part by.
 * `SCHEMA_MISMATCH` for values that no log can hold, `CONFIG_INVALID` for too many of them.
 */
export async function openParts(options: PartsOptions): Promise<Parts> {
  const { connection, dir, nextName, partitionColumns } = options
  if (partitionColumns.length === 0)
    return {
      async write(query, columns) {
        const file = await copyToParquet(connection, query, join(dir, `${nextName()}.parquet`), { columns })
        return file.rows === 0 ? [] : [{ file, partitionValues: {} }]
      },
    }
  const known = await findParts(options)
  return {
    async write(query, columns) {
      const stored = columns.filter(({ name }) => !partitionColumns.includes(name))
      const order = known.size > sideBySide ? ` ORDER BY ${partColumn}` : ''
      const parted = `${partedQuery(query, columns, stored, partitionColumns)}${order}`
      const copy = { columns: stored, by: partColumn }
      const files = await copyToParquetParts(connection, parted, join(dir, nextName()), copy)
      return files.map(({ part, file }) => {
        const partitionValues = part === null ? undefined : known.get(part)
        if (partitionValues === undefined)
          throw new MillraceError('SINK_FAILED', `${options.name}: rows came up that belong to no partition`)
        return { file, partitionValues }
      })
    },
  }
}

/** Numbers the partitions in a temporary table, and returns their values by number. */
async function findParts(options: PartsOptions): Promise<ReadonlyMap<number, PartitionValues>> {
  const { connection, columns, partitionColumns, values, name } = options
  const parted = partitionColumns.map((each) => columns.find((column) => column.name === each)!)
  const distinct = `SELECT DISTINCT ${parted.map((column) => `${normalizedValue(column)} AS ${identifier(column.name)}`).join(', ')} FROM (${values})`
  await connection.run(
    `CREATE TEMP TABLE ${table} AS SELECT row_number() OVER () AS ${partColumn}, * FROM (${distinct})`,
  )
  const texts = parted.flatMap((column, i) => [
    `${serializedValue(column)} AS text${i}`,
    `${identifier(column.name)} IS NULL AS null${i}`,
  ])
  const rows = await connection.rows(
    `SELECT ${[`${partColumn} AS part`, ...texts].join(', ')} FROM ${table} LIMIT ${mostParts + 1}`,
  )
  if (rows.length > mostParts)
    throw new MillraceError(
      'CONFIG_INVALID',
      `${name}: rows of one batch belong to more than ${mostParts} partitions by ${partitionColumns.join(', ')} (partition by a column with fewer values)`,
    )
  return new Map(rows.map((row) => [Number(row.part), valuesOf(row, parted, name)]))
}

function valuesOf(row: Row, parted: readonly Column[], table: string): PartitionValues {
  const entries = parted.map(({ name }, i) => {
    const text = row[`text${i}`] as string | null
    if (text !== null || row[`null${i}`] === true) return [name, text] as const
    throw new MillraceError(
      'SCHEMA_MISMATCH',
      `${table}: a value of partition column ${name} has no form that readers know (days of the years 1 to 9999, bytes that are UTF-8; reject other rows in a step before)`,
    )
  })
  return Object.fromEntries(entries)
}

/** The same rows with the number of their partition, and without what its values say. */
function partedQuery(
  query: string,
  columns: readonly Column[],
  stored: readonly Column[],
  partitionColumns: readonly string[],
): string {
  const same = partitionColumns.map((name) => `r.${identifier(name)} IS NOT DISTINCT FROM p.${identifier(name)}`)
  const names = stored.map(({ name }) => `r.${identifier(name)}`)
  return `SELECT ${names.join(', ')}, p.${partColumn} FROM (${normalizedRows(columns, partitionColumns, query)}) r LEFT JOIN ${table} p ON ${same.join(' AND ')}`
}
