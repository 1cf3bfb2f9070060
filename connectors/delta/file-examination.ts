/** Whether a data file holds what the log says of it. */
import { duckdbType } from '../../engine/batch/duckdb-types.ts'
import type { ObjectStore } from '../../engine/contracts.ts'
import { type Duckdb, identifier, literal } from '../../engine/duckdb.ts'
import type { Column, DataType } from '../../engine/schema.ts'
import type { AddFile } from './actions.ts'
import { physicalColumns } from './column-mapping.ts'
import { withFieldIds } from './field-ids.ts'
import { int64 } from './int64-json.ts'
import { localDataFile, selectFiles } from './read.ts'
import { parseStats, type Stats, valueAt } from './statistics.ts'
import type { DeltaTable, Snapshot } from './table.ts'

export interface ExaminationOptions {
  readonly table: DeltaTable
  readonly store: ObjectStore
  readonly duckdb: () => Promise<Duckdb>
}

interface Leaf {
  readonly path: readonly string[]
  readonly type: DataType
}

/**
 * What the statistics of a file say wrong of the rows in it, deleted ones included: how many there are, how many nulls, and
 * bounds that a value lies beyond. A deletion vector that cannot be read, or names rows that are not there, throws.
 */
export async function examineFile(options: ExaminationOptions, snapshot: Snapshot, add: AddFile): Promise<string[]> {
  const { store, table, duckdb } = options
  const { path, deleted = [] } = await localDataFile(store, table.path, add)
  const { metaData } = snapshot
  const columns = snapshot.columns.filter(({ name }) => !metaData.partitionColumns.includes(name))
  const physical = physicalColumns(metaData, columns)
  const stats = parseStats(add) ?? {}
  const leaves = [...leavesOf(physical, [])]
  const files = await withFieldIds({ metaData, columns, duckdb }, [{ path, constants: {} }])
  const query = selectFiles({ columns: physical, files })
  const facts = leaves.flatMap((leaf, i) => factsOf(leaf, i, stats))
  const [row = {}] = await (await duckdb()).withConnection((connection) =>
    connection.rows(`SELECT ${['count(*) AS n', ...facts].join(', ')} FROM (${query})`),
  )
  const wrong: string[] = []
  const [rows, counted] = [BigInt(String(row.n)), int64(stats.numRecords)]
  if (counted !== null && counted !== rows) wrong.push(`it has ${rows} rows, and ${counted} in its statistics`)
  const last = deleted.at(-1)
  if (last !== undefined && BigInt(last) >= rows) wrong.push(`its deletion vector names row ${last} of ${rows}`)
  for (const [i, leaf] of leaves.entries()) wrong.push(...wrongOf(leaf, i, stats, row))
  return wrong
}

function* leavesOf(columns: readonly Column[], prefix: readonly string[]): Generator<Leaf> {
  for (const { name, type } of columns)
    if (typeof type === 'object' && type.kind === 'struct') yield* leavesOf(type.fields, [...prefix, name])
    else yield { path: [...prefix, name], type }
}

/** Expressions that count the rows which contradict a column's statistics. */
function factsOf({ path, type }: Leaf, i: number, stats: Stats): string[] {
  const column = path.map(identifier).join('.')
  const [min, max] = [boundSql(valueAt(stats.minValues, path), type), boundSql(valueAt(stats.maxValues, path), type)]
  // a greatest timestamp is floored to milliseconds (PROTOCOL.md, "Per-file Statistics")
  const slack = type === 'timestamp' || type === 'timestamp_ntz' ? ` + INTERVAL 999 MICROSECOND` : ''
  return [
    `count(*) FILTER (${column} IS NULL) AS "nulls${i}"`,
    ...(min === null ? [] : [`count(*) FILTER (${column} < ${min}) AS "below${i}"`]),
    ...(max === null ? [] : [`count(*) FILTER (${column} > ${max}${slack}) AS "above${i}"`]),
  ]
}

function boundSql(value: unknown, type: DataType): string | null {
  const plain = typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint'
  if (!plain || type === 'binary' || type === 'boolean' || typeof type === 'object') return null
  return `CAST(${literal(typeof value === 'string' ? value : String(value))} AS ${duckdbType(type)})`
}

function wrongOf({ path }: Leaf, i: number, stats: Stats, row: Readonly<Record<string, unknown>>): string[] {
  const name = path.join('.')
  const [nulls, told] = [BigInt(String(row[`nulls${i}`])), int64(valueAt(stats.nullCount, path))]
  const below = Number(row[`below${i}`] ?? 0)
  const above = Number(row[`above${i}`] ?? 0)
  return [
    ...(told === null || told === nulls ? [] : [`${name} has ${nulls} nulls, and ${told} in its statistics`]),
    ...(below === 0 ? [] : [`${below} values of ${name} are below its least one in the statistics`]),
    ...(above === 0 ? [] : [`${above} values of ${name} are above its greatest one in the statistics`]),
  ]
}
