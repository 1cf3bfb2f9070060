/** From a DuckDB query to Parquet files with statistics, in one statement. */
import { type Connection, identifier, literal, type Row } from '../duckdb.ts'
import type { Column, ColumnStatistics, DataType, ParquetFile } from '../schema.ts'
import { describeColumns } from './duckdb-types.ts'

export interface CopyOptions {
  /** Columns of the query, when the caller has described it already. */
  readonly columns?: readonly Column[]
  /** Bytes of rows that end a row group, of which each thread holds one; its 122,880th row does as well. Default 8 MiB. */
  readonly rowGroupBytes?: number
}

/** Whoever reads wide rows holds some of a row group at a time. */
const defaultRowGroupBytes = 8 * 2 ** 20

/**
 * Writes the rows of `query` to a new Parquet file at `path` (its folder exists). Statistics come from the writer's
 * own footer: none where a NaN was seen, none on booleans and binaries, whose bounds DuckDB does not print as values.
 * A query without rows leaves a file without rows: the caller decides what becomes of it.
 */
export async function copyToParquet(
  connection: Connection,
  query: string,
  path: string,
  options: CopyOptions = {},
): Promise<ParquetFile> {
  const columns = options.columns ?? (await describeColumns(connection, query))
  const rowGroups = `ROW_GROUP_SIZE_BYTES ${options.rowGroupBytes ?? defaultRowGroupBytes}`
  const [written = {}] = await connection.rows(
    `COPY (${query}) TO ${literal(path)} (FORMAT parquet, COMPRESSION snappy, ${rowGroups}, RETURN_STATS)`,
  )
  return writtenFile(path, columns, written)
}

export interface CopyPartsOptions {
  /** Columns of the query, but for the one that its rows are parted by. */
  readonly columns: readonly Column[]
  /** Integer column that says which part a row belongs to. It is not stored. */
  readonly by: string
}

/** The file of one part. */
export interface ParquetPart {
  /** Null: rows that belong to none. */
  readonly part: number | null
  readonly file: ParquetFile
}

/**
 * Writes the rows of `query` to new Parquet files below `dir` (which is empty or not there yet), in one pass: none holds rows
 * of two parts, and a part has more than one file where so many are written that not all can be kept open. Statistics as in
 * {@link copyToParquet}. No rows: no files.
 */
export async function copyToParquetParts(
  connection: Connection,
  query: string,
  dir: string,
  { columns, by }: CopyPartsOptions,
): Promise<ParquetPart[]> {
  const written = await connection.rows(
    `COPY (${query}) TO ${literal(dir)} (FORMAT parquet, COMPRESSION snappy, PARTITION_BY (${identifier(by)}), FILENAME_PATTERN 'part-{uuid}', RETURN_STATS)`,
  )
  return written.map((row) => {
    const key = ((row.partition_keys ?? []) as Entry<string | null>[])[0]?.value ?? ''
    const part = /^\d+$/.test(key) ? Number(key) : null
    return { part, file: writtenFile(String(row.filename), columns, row) }
  })
}

function writtenFile(path: string, columns: readonly Column[], written: Row): ParquetFile {
  const rows = Number(written.count ?? 0)
  return {
    path,
    rows,
    sizeBytes: Number(written.file_size_bytes ?? 0),
    columns,
    statistics:
      rows === 0 ? [] : leafStatistics(columns, (written.column_statistics ?? []) as Entry<Entry<string>[]>[]),
  }
}

interface Entry<T> {
  readonly key: string
  readonly value: T
}

function leafStatistics(columns: readonly Column[], entries: readonly Entry<Entry<string>[]>[]): ColumnStatistics[] {
  const byPath = new Map(entries.map(({ key, value }) => [key, Object.fromEntries(value.map((e) => [e.key, e.value]))]))
  const result: ColumnStatistics[] = []
  for (const { path, type } of leaves(columns, [])) {
    const found = byPath.get(path.map((name) => `"${name.replaceAll('"', '""')}"`).join('.'))
    if (found === undefined) continue
    const min = found.has_nan === 'true' ? undefined : bound(type, found.min)
    const max = found.has_nan === 'true' ? undefined : bound(type, found.max)
    result.push({
      path,
      nullCount: Number(found.null_count ?? 0),
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
    })
  }
  return result
}

function* leaves(
  columns: readonly Column[],
  prefix: readonly string[],
): Generator<{ readonly path: readonly string[]; readonly type: DataType }> {
  for (const { name, type } of columns) {
    const path = [...prefix, name]
    if (typeof type === 'string') yield { path, type }
    else if (type.kind === 'struct') yield* leaves(type.fields, path)
  }
}

function bound(type: DataType, text: string | undefined): bigint | number | string | undefined {
  if (text === undefined) return undefined
  switch (type) {
    case 'long':
    case 'integer':
    case 'short':
    case 'byte':
      return BigInt(text)
    case 'double':
    case 'float': {
      const value = Number(text) // 'inf' and 'nan' become NaN
      return Number.isFinite(value) ? value : undefined
    }
    case 'string':
    case 'date':
      return text
    case 'timestamp':
    case 'timestamp_ntz':
      return microseconds(text)
    default:
      return undefined
  }
}

/** DuckDB prints `YYYY-MM-DD HH:MM:SS[.ffffff][+00]`; years beyond four digits or BC are left without bounds. */
function microseconds(text: string): bigint | undefined {
  const match = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(?:\+00)?$/.exec(text)
  if (match === null) return undefined
  const wholeMs = Date.parse(`${match[1]}T${match[2]}Z`)
  return BigInt(wholeMs) * 1000n + BigInt((match[3] ?? '').padEnd(6, '0'))
}
