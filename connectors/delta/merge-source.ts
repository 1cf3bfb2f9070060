/** The rows that come to a merge, and which files of the table can matter to them. */
import type { Connection, Row } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import type { AddFile } from './actions.ts'
import {
  dedupeSource,
  dedupeView,
  describeSource,
  keyValues,
  loadSource,
  type MergeShape,
  viewSource,
} from './merge-sql.ts'
import { canonicalTypes } from './partitions/partition-values.ts'
import { mayBeIn, type SoughtPartitions } from './partitions/pruning.ts'
import { type ColumnRange, isComparableDate, mayMatchRanges } from './statistics.ts'
import type { WriteTarget } from './table-write.ts'

export interface SourceOptions {
  readonly connection: Connection
  readonly shape: MergeShape
  readonly files: readonly ParquetFile[]
  readonly target: WriteTarget
  /** Files that are larger together stay where they are, and are read by each statement. */
  readonly mostLoadedBytes: number
}

export interface Source {
  /** As they came. */
  readonly rows: number
  /** Whether a file may hold a row of one of its keys. */
  readonly mayMatch: (file: AddFile) => boolean
}

/** Partitions that are looked for one by one; of more, only the first and last count. */
const mostSought = 1000

/**
 * Takes the rows of a merge into the connection's temporary tables, one for each key. `SCHEMA_MISMATCH` if a row has no
 * key.
 */
export async function readSource(options: SourceOptions): Promise<Source> {
  const { connection, shape, files, target } = options
  const local = files.map(({ path }) => ({ path, constants: {} }))
  const loads = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) <= options.mostLoadedBytes
  await connection.run(loads ? loadSource(shape, local) : viewSource(shape, local))
  const [facts = {}] = await connection.rows(describeSource(shape))
  if (Number(facts.nullKeys) > 0)
    throw new MillraceError(
      'SCHEMA_MISMATCH',
      `table ${target.table.path}: ${facts.nullKeys} rows to merge have no key (${shape.key.join(', ')}; reject them in a step before)`,
    )
  if (facts.keys !== facts.rows)
    for (const statement of loads ? dedupeSource(shape) : dedupeView(shape, local)) await connection.run(statement)
  const ranges = shape.key.flatMap((name, i) => keyRange(shape, facts, name, i))
  const partitions = await keyPartitions(connection, shape)
  const rows = Number(facts.rows)
  const mayMatch = (file: AddFile) => rows > 0 && mayBeIn(file, partitions) && mayMatchRanges(file, ranges)
  return { rows, mayMatch }
}

/** The values that keys have in partition columns, where they are few and comparable with those of the log. */
async function keyPartitions(connection: Connection, shape: MergeShape): Promise<readonly SoughtPartitions[]> {
  const found: SoughtPartitions[] = []
  for (const { name, type } of shape.columns) {
    if (!shape.key.includes(name) || !shape.partitionColumns.includes(name) || !canonicalTypes.has(type)) continue
    const rows = await connection.rows(keyValues(shape, name, mostSought + 1))
    if (rows.length <= mostSought)
      found.push({ column: name, type, values: new Set(rows.map(({ value }) => String(value))) })
  }
  return found
}

function keyRange(shape: MergeShape, facts: Row, name: string, i: number): ColumnRange[] {
  const [min, max] = [facts[`min${i}`], facts[`max${i}`]]
  const type = shape.columns.find((column) => column.name === name)?.type
  const known = (value: unknown) => typeof value === 'bigint' || typeof value === 'string'
  if (type === undefined || !known(min) || !known(max)) return []
  if (type === 'date' && ![min, max].every((value) => isComparableDate(String(value)))) return []
  return [{ path: [name], type, min: min as bigint | string, max: max as bigint | string }]
}
