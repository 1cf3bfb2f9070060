/** From a table's files to a SQL relation with exactly the table's columns. */
import { duckdbType } from '../../engine/batch/duckdb-types.ts'
import type { ObjectStore } from '../../engine/contracts.ts'
import { identifier, literal, literals } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Column } from '../../engine/schema.ts'
import type { AddFile } from './actions.ts'
import type { Snapshot } from './table.ts'

/** A local Parquet file, and the columns that are constant for it and not stored in it. */
export interface LocalFile {
  readonly path: string
  /** Partition values as the log spells them (PROTOCOL.md, "Partition Value Serialization"); null and '' are null. */
  readonly constants: Readonly<Record<string, string | null>>
}

export interface SelectFilesOptions {
  readonly columns: readonly Column[]
  readonly files: readonly LocalFile[]
  /** Name of a further column with the path of the file that a row is in. */
  readonly fileColumn?: string
}

/** Key in the store of a data file that the log of the table at `tablePath` names. */
export function dataKey(tablePath: string, path: string): string {
  if (/^([a-z][a-z0-9+.-]*:|\/)/i.test(path))
    throw new MillraceError(
      'TABLE_UNSUPPORTED',
      `table ${tablePath} names a file by an absolute path: ${path} (copy the table with its files)`,
    )
  try {
    return `${tablePath}/${decodeURIComponent(path)}`
  } catch (cause) {
    throw new MillraceError('TABLE_CORRUPT', `table ${tablePath} names a file by a malformed path: ${path}`, { cause })
  }
}

/** The data file of an `add`, brought to this machine. `TABLE_CORRUPT` if it is missing. */
export async function localDataFile(
  store: ObjectStore,
  tablePath: string,
  file: Pick<AddFile, 'path'> & { readonly partitionValues?: AddFile['partitionValues'] },
): Promise<LocalFile> {
  const path = await store.localFile(dataKey(tablePath, file.path))
  return { path, constants: file.partitionValues ?? {} }
}

export interface SelectTableOptions {
  readonly snapshot: Snapshot
  readonly store: ObjectStore
  /** Key prefix of the table in the store: `bronze/movies`. */
  readonly tablePath: string
}

/** SQL text of a query for all rows of a table: its columns in order, in no order of rows. */
export async function selectTable({ snapshot, store, tablePath }: SelectTableOptions): Promise<string> {
  const files: LocalFile[] = []
  for (const add of snapshot.files.values()) files.push(await localDataFile(store, tablePath, add))
  return selectFiles({ columns: snapshot.columns, files })
}

/**
 * SQL text of a query for the rows of `files`: exactly `columns`, in order and of their types. What a file lacks, also
 * a field inside structs, lists and maps, is null; what it has beyond them is left out. Without files: no rows.
 */
export function selectFiles({ columns, files, fileColumn }: SelectFilesOptions): string {
  // The empty relation in front gives every column and field, whatever the files have: DuckDB merges structs by name.
  const types = columns.map(({ name, type }) => `NULL::${duckdbType(type)} AS ${identifier(name)}`)
  if (fileColumn !== undefined) types.push(`NULL::VARCHAR AS ${identifier(fileColumn)}`)
  const parts = [`SELECT ${types.join(', ')} WHERE false`]
  for (const group of groupByConstants(files)) parts.push(readGroup(group, fileColumn))
  const casts = columns.map(
    ({ name, type }) => `CAST(${identifier(name)} AS ${duckdbType(type)}) AS ${identifier(name)}`,
  )
  if (fileColumn !== undefined) casts.push(identifier(fileColumn))
  return `SELECT ${casts.join(', ')} FROM (${parts.map((part) => `(${part})`).join(' UNION ALL BY NAME ')})`
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

function readGroup(files: readonly LocalFile[], fileColumn: string | undefined): string {
  const constants = Object.entries(files[0]?.constants ?? {}).map(
    ([name, value]) => `, ${literal(value === '' ? null : value)} AS ${identifier(name)}`,
  )
  const paths = literals(files.map((file) => escapeGlob(file.path)))
  // Without `hive_partitioning = false` a folder called `a=b` would become a column.
  const options = ['union_by_name = true', 'hive_partitioning = false']
  if (fileColumn !== undefined) options.push(`filename = ${literal(fileColumn)}`)
  return `SELECT *${constants.join('')} FROM read_parquet(${paths}, ${options.join(', ')})`
}

/** DuckDB takes `*`, `?` and `[` in a path for a pattern. */
function escapeGlob(path: string): string {
  return path.replaceAll(/[*?[]/g, (character) => `[${character}]`)
}
