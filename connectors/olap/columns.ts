/** What every store behind `olap({...})` does alike with the columns of a table. */
import { identifier, parquetRows } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { type Column, type DataType, formatType, type ParquetFile } from '../../engine/schema.ts'
import type { OlapTable } from './description.ts'

/** The columns of all files, in the order in which they first come. */
export function unionColumns(files: readonly ParquetFile[]): Column[] {
  const columns = new Map<string, Column>()
  for (const column of files.flatMap((file) => file.columns))
    if (!columns.has(column.name)) columns.set(column.name, column)
  return [...columns.values()]
}

/** SQL for the rows of Parquet files, which may lack columns of each other. */
export function parquet(files: readonly ParquetFile[]): string {
  return parquetRows(
    files.map((file) => file.path),
    'union_by_name = true',
  )
}

const wider: Readonly<Record<string, readonly DataType[]>> = {
  long: ['integer', 'short', 'byte'],
  integer: ['short', 'byte'],
  double: ['float'],
}

/**
 * Whether a column of the batch fits the table's; a stored type that is only known by name (`formatType`) will do.
 * @throws MillraceError `SCHEMA_MISMATCH`, naming both types
 */
export function checkType(table: string, stored: DataType | string | undefined, incoming: Column): void {
  if (stored === undefined) return
  const held = typeof stored === 'string' ? stored : formatType(stored)
  if (held === formatType(incoming.type) || wider[held]?.includes(incoming.type)) return
  throw new MillraceError(
    'SCHEMA_MISMATCH',
    `olap table ${table}: column ${incoming.name} is ${held} in the store and ` +
      `${formatType(incoming.type)} in the batch (cast it in the step that makes it, or drop the table and run again)`,
    { context: { table, column: incoming.name } },
  )
}

/**
 * Whether a table can hold the columns of a batch beside its own, whatever the rows.
 * @throws MillraceError `SCHEMA_MISMATCH` for another type, for names that differ in case only, and for rows without key or owner
 */
export function checkColumns(
  name: string,
  { key, owner }: Pick<OlapTable, 'key' | 'owner'>,
  stored: readonly Column[],
  incoming: readonly Column[],
): void {
  const known = new Map(stored.map((column) => [column.name.toLowerCase(), column]))
  for (const column of incoming) {
    const twin = known.get(column.name.toLowerCase())
    if (twin === undefined) known.set(column.name.toLowerCase(), column)
    else if (twin.name === column.name) checkType(name, twin.type, column)
    else throw mismatch(name, `columns ${twin.name} and ${column.name} differ in case only (rename one)`)
  }
  const lacking = [...new Set([...key, ...Object.keys(owner)])].filter((column) => !known.has(column.toLowerCase()))
  if (incoming.length > 0 && lacking.length > 0)
    throw mismatch(
      name,
      `rows lack ${lacking.join(', ')}, by which they are told apart (add it in the step that makes them)`,
    )
}

function mismatch(table: string, what: string): MillraceError {
  return new MillraceError('SCHEMA_MISMATCH', `olap table ${table}: ${what}`, { context: { table } })
}

/** Columns of two relations that must be equal. */
export type Pairs = readonly (readonly [left: string, right: string])[]

/** A row's owner, in the table and in `owners`. */
export function ownerPairs(table: OlapTable): Pairs {
  return Object.entries(table.owner)
}

/** The key, in two relations that both have it. */
export function keyPairs(table: OlapTable): Pairs {
  return table.key.map((column) => [column, column])
}

/** SQL that is true where all pairs are equal, null being equal to null. */
export function same(pairs: Pairs, left: string, right: string): string {
  return pairs.map(([l, r]) => `${left}.${identifier(l)} IS NOT DISTINCT FROM ${right}.${identifier(r)}`).join(' AND ')
}
