/** From a table's files to a SQL relation with exactly the table's columns. */
import { duckdbType } from '../../engine/batch/duckdb-types.ts'
import type { ObjectStore } from '../../engine/contracts.ts'
import { type Duckdb, identifier, literal, literals, parquetRows } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { type Column, type DataType, sameType } from '../../engine/schema.ts'
import type { AddFile, DeletionVector } from './actions.ts'
import { physicalColumns } from './column-mapping.ts'
import { localPath, readTableFile } from './data-location.ts'
import { deletedRows, deletionVectorPath } from './deletion-vectors/deletion-vector.ts'
import { withFieldIds } from './field-ids.ts'
import { isMarkedRow, rowMarks } from './row-marks.ts'
import type { Snapshot } from './table.ts'

/** A local Parquet file, the columns that are constant for it and not stored in it, and the rows that do not count. */
export interface LocalFile {
  readonly path: string
  /** Partition values as the log spells them (PROTOCOL.md, "Partition Value Serialization"); null and '' are null. */
  readonly constants: Readonly<Record<string, string | null>>
  /** Numbers of deleted rows, from 0. */
  readonly deleted?: readonly number[]
  /** Numbers of the only rows that count. */
  readonly only?: readonly number[]
  /** The columns that are read, as this file names them, where the table's names for files do not say it. */
  readonly physical?: readonly Column[]
}

export interface SelectFilesOptions {
  readonly columns: readonly Column[]
  /** The same columns as the files name them ({@link physicalColumns}); default: alike. */
  readonly physical?: readonly Column[]
  readonly files: readonly LocalFile[]
  /** Name of a further column with the path of the file that a row is in. */
  readonly fileColumn?: string
  /** Name of a further column with the number of a row in its file, from 0. */
  readonly rowColumn?: string
  /**
   * Where times in partition values are meant that name no zone, as writers leave them whose session is not in UTC
   * (PROTOCOL.md, "Partition Value Serialization"). Default `UTC`.
   */
  readonly timeZone?: string
}

/** A data file as the log names it. */
export type FileReference = Pick<AddFile, 'path'> & {
  readonly partitionValues?: AddFile['partitionValues']
  readonly deletionVector?: DeletionVector
}

/** A data file brought to this machine, with its deletion vector. `TABLE_CORRUPT` if one of them is missing. */
export async function localDataFile(store: ObjectStore, tablePath: string, file: FileReference): Promise<LocalFile> {
  const path = await localPath(store, tablePath, file.path)
  const constants = file.partitionValues ?? {}
  if (file.deletionVector === undefined) return { path, constants }
  return { path, constants, deleted: await readDeletedRows(store, tablePath, file.deletionVector) }
}

/** Numbers of the rows that a deletion vector takes out of its file, ascending. */
export async function readDeletedRows(
  store: ObjectStore,
  tablePath: string,
  vector: DeletionVector,
): Promise<readonly number[]> {
  const path = deletionVectorPath(vector)
  return deletedRows(vector, path === null ? null : await readTableFile(store, tablePath, path))
}

export interface SelectTableOptions {
  readonly snapshot: Snapshot
  readonly store: ObjectStore
  /** Key prefix of the table in the store: `bronze/movies`. */
  readonly tablePath: string
  /** Asked for only where files must be opened to know their columns. */
  readonly duckdb: () => Promise<Duckdb>
  /** See {@link SelectFilesOptions.timeZone}. */
  readonly timeZone?: string
}

/** SQL text of a query for all rows of a table: its columns in order, in no order of rows. */
export async function selectTable({
  snapshot,
  store,
  tablePath,
  duckdb,
  ...more
}: SelectTableOptions): Promise<string> {
  const files: LocalFile[] = []
  for (const add of (await snapshot.files()).values()) files.push(await localDataFile(store, tablePath, add))
  const { columns, metaData } = snapshot
  const named = await withFieldIds({ metaData, columns, duckdb }, files)
  return selectFiles({ columns, physical: physicalColumns(metaData, columns), files: named, ...more })
}

/**
 * SQL text of a query for the rows of `files`: exactly `columns`, in order and of their types. What a file lacks, also
 * a field inside structs, lists and maps, is null; what it has beyond them is left out. Without files: no rows. `TABLE_UNSUPPORTED` without
 * columns, which no relation is.
 */
export function selectFiles(options: SelectFilesOptions): string {
  if (options.columns.length === 0) throw withoutColumns()
  const groups = Map.groupBy(options.files, ({ physical }) => physical)
  if ([...groups.keys()].every((physical) => physical === undefined)) return selectAlike(options)
  const queries = [...groups].map(([physical, files]) =>
    selectAlike({ ...options, files, ...(physical === undefined ? {} : { physical }) }),
  )
  return queries.map((query) => `(${query})`).join(' UNION ALL ')
}

function withoutColumns(): MillraceError {
  return new MillraceError('TABLE_UNSUPPORTED', 'the table has no columns, and so no rows (write rows to it first)')
}

/** Of files that name their columns alike. */
function selectAlike(options: SelectFilesOptions): string {
  const { columns, physical = columns, files, fileColumn, rowColumn, timeZone = 'UTC' } = options
  // The empty relation in front gives every column and field, whatever the files have: DuckDB merges structs by name.
  const types = physical.map(({ name, type }) => `NULL::${duckdbType(type)} AS ${identifier(name)}`)
  if (fileColumn !== undefined) types.push(`NULL::VARCHAR AS ${identifier(fileColumn)}`)
  if (rowColumn !== undefined) types.push(`NULL::BIGINT AS ${identifier(rowColumn)}`)
  const parts = [`SELECT ${types.join(', ')} WHERE false`]
  const constant = (name: string, value: string | null) => {
    const type = physical.find((column) => column.name === name)?.type
    return `${constantSql(value === '' ? null : value, type, timeZone)} AS ${identifier(name)}`
  }
  const names = physical.map(({ name }) => name)
  for (const group of groupByConstants(files))
    parts.push(...readGroup(group, { fileColumn, rowColumn, constant, names }))
  const casts = columns.map(({ name, type }, i) => {
    const stored = physical[i]!
    const typed = `CAST(${identifier(stored.name)} AS ${duckdbType(stored.type)})`
    return `${renamed(typed, stored.type, type)} AS ${identifier(name)}`
  })
  if (fileColumn !== undefined) casts.push(identifier(fileColumn))
  if (rowColumn !== undefined) casts.push(identifier(rowColumn))
  return `SELECT ${casts.join(', ')} FROM (${parts.map((part) => `(${part})`).join(' UNION ALL BY NAME ')})`
}

/** SQL of a value whose fields get the names that `to` has in the same places. */
function renamed(sql: string, from: DataType, to: DataType, depth = 0): string {
  if (typeof from === 'string' || typeof to === 'string' || sameType(from, to)) return sql
  const each = `e${depth}`
  if (from.kind === 'struct' && to.kind === 'struct') {
    const fields = from.fields.map((field, i) => {
      const target = to.fields[i]!
      return `${identifier(target.name)} := ${renamed(`(${sql}).${identifier(field.name)}`, field.type, target.type, depth + 1)}`
    })
    return `CASE WHEN (${sql}) IS NULL THEN NULL ELSE struct_pack(${fields.join(', ')}) END`
  }
  if (from.kind === 'array' && to.kind === 'array')
    return `list_transform(${sql}, lambda ${each}: ${renamed(each, from.element, to.element, depth + 1)})`
  if (from.kind === 'map' && to.kind === 'map') {
    const key = renamed(`${each}.key`, from.key, to.key, depth + 1)
    const value = renamed(`${each}.value`, from.value, to.value, depth + 1)
    const entries = `list_transform(map_entries(${sql}), lambda ${each}: struct_pack("key" := ${key}, "value" := ${value}))`
    return `CASE WHEN (${sql}) IS NULL THEN NULL ELSE map_from_entries(${entries}) END`
  }
  return sql
}

function groupByConstants(files: readonly LocalFile[]): LocalFile[][] {
  const groups = new Map<string, LocalFile[]>()
  for (const file of files) {
    const key = JSON.stringify(Object.entries(file.constants).sort(([a], [b]) => (a < b ? -1 : 1)))
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [file])
    else group.push(file)
  }
  return [...groups.values()]
}

/** A partition value: the text is cast with the column, but where that would say something else. */
function constantSql(value: string | null, type: DataType | undefined, timeZone: string): string {
  if (value === null) return 'NULL'
  if (type === 'binary') return `encode(${literal(value)})`
  const zoned = /(Z|[+-]\d\d(:?\d\d)?)$/.test(value.slice('YYYY-MM-DD'.length))
  if (type === 'timestamp' && !zoned) return `timezone(${literal(timeZone)}, CAST(${literal(value)} AS TIMESTAMP))`
  return literal(value)
}

interface GroupOptions {
  readonly fileColumn: string | undefined
  readonly rowColumn: string | undefined
  /** SQL of a constant column. */
  readonly constant: (name: string, value: string | null) => string
  /** Names of the table's columns, as the files have them. */
  readonly names: readonly string[]
}

const hiddenFile = '__millrace_path'
/** DuckDB's own name: it refuses files that have a column of that name. */
const hiddenRow = 'file_row_number'

function readGroup(files: readonly LocalFile[], options: GroupOptions): string[] {
  const all = files.filter(({ only }) => only === undefined)
  const some = files.filter(({ only = [] }) => only.length > 0)
  const parts: string[] = []
  if (all.length > 0) parts.push(readRows(all, options, 'deleted'))
  if (some.length > 0) parts.push(readRows(some, options, 'only'))
  return parts
}

function readRows(files: readonly LocalFile[], options: GroupOptions, which: 'deleted' | 'only'): string {
  const { fileColumn, rowColumn, constant, names } = options
  const constants = Object.entries(files[0]?.constants ?? {})
  const columns = constants.map(([name, value]) => `, ${constant(name, value)}`).join('')
  const marked = files.some((file) => (file[which] ?? []).length > 0)
  const [needsFile, needsRow] = [marked || fileColumn !== undefined, marked || rowColumn !== undefined]
  const stored = parquet(files, { names, without: constants.map(([name]) => name), needsFile, needsRow })
  if (!needsFile && !needsRow) return `SELECT *${columns} FROM (${stored})`
  const hidden = [...(needsFile ? [hiddenFile] : []), ...(needsRow ? [hiddenRow] : [])]
  const file = fileColumn === undefined ? '' : `, r.${hiddenFile} AS ${identifier(fileColumn)}`
  const row = rowColumn === undefined ? '' : `, r.${hiddenRow} AS ${identifier(rowColumn)}`
  const select = `SELECT r.* EXCLUDE (${hidden.join(', ')})${file}${row}${columns} FROM (${stored}) AS r`
  if (!marked) return select
  const marks = rowMarks(files.map((each) => ({ path: each.path, rows: each[which] ?? [] })))
  const isMarked = isMarkedRow('m', `r.${hiddenRow}`)
  const joined = `LEFT JOIN (${marks}) AS m ON r.${hiddenFile} = m."file"`
  return `${select} ${joined} WHERE ${which === 'deleted' ? `NOT ${isMarked}` : isMarked}`
}

interface ParquetOptions {
  readonly names: readonly string[]
  /** Columns that are left out although a file may have them. */
  readonly without: readonly string[]
  readonly needsFile: boolean
  readonly needsRow: boolean
}

/** The rows as they are stored, with {@link hiddenFile} and {@link hiddenRow} where they are needed. */
function parquet(files: readonly LocalFile[], { names, without, needsFile, needsRow }: ParquetOptions): string {
  const options = ['union_by_name = true']
  if (needsRow) options.push('file_row_number = true')
  // With the option, DuckDB takes filters on a column called `filename` for filters on the paths of the files.
  const byIndex = needsFile && names.some((name) => name.toLowerCase() === 'filename')
  if (needsFile && !byIndex) options.push(`filename = ${literal(hiddenFile)}`)
  const path = byIndex ? `, list_extract(${literals(files.map((file) => file.path))}, file_index::BIGINT + 1) AS ${hiddenFile}` : '' // biome-ignore format: one line
  const left = without.map((name) => literal(name.toLowerCase())).join(', ')
  const star = without.length === 0 ? '*' : `COLUMNS(lambda c: lower(c) NOT IN (${left}))`
  return `SELECT ${star}${path} FROM ${parquetRows(
    files.map((file) => file.path),
    ...options,
  )}`
}
