/** How a log checkpoint tells the statistics of files (PROTOCOL.md, "Checkpoint Format", `delta.checkpoint.writeStatsAs…`). */
import { duckdbType } from '../../engine/batch/duckdb-types.ts'
import { identifier, literal } from '../../engine/duckdb.ts'
import type { Column, DataType } from '../../engine/schema.ts'
import type { TableHead } from './table.ts'

/** A field of `add` that only some tables ask for. */
export interface StatisticsField {
  readonly name: string
  /** Its DuckDB type. */
  readonly type: string
  /** SQL of its value, from the other fields of `add`. */
  readonly sql: string
}

export interface CheckpointStatistics {
  /** Whether the text of the log is kept. */
  readonly asText: boolean
  readonly fields: readonly StatisticsField[]
}

/** What a table asks for: the text alone, unless its properties say otherwise. */
export function checkpointStatistics({
  metaData,
  columns,
}: Pick<TableHead, 'metaData' | 'columns'>): CheckpointStatistics {
  const { configuration, partitionColumns } = metaData
  const asText = configuration['delta.checkpoint.writeStatsAsJson'] !== 'false'
  if (configuration['delta.checkpoint.writeStatsAsStruct'] !== 'true') return { asText, fields: [] }
  const stored = columns.filter(({ name }) => !partitionColumns.includes(name))
  const structure = statisticsStructure(stored)
  const parsed = {
    name: 'stats_parsed',
    type: typeOf(structure),
    sql: `from_json("add".stats, ${literal(JSON.stringify(structure))})`,
  }
  const parted = partitionColumns.map((name) => columns.find((column) => column.name === name)!)
  return { asText, fields: parted.length === 0 ? [parsed] : [parsed, partitionField(parted)] }
}

/** Types by name, nested as the statistics are. */
interface Structure {
  readonly [name: string]: string | Structure
}

function statisticsStructure(columns: readonly Column[]): Structure {
  const [bounds, nulls] = [structureOf(columns, boundType), structureOf(columns, () => 'BIGINT')]
  return {
    numRecords: 'BIGINT',
    ...(Object.keys(bounds).length === 0 ? {} : { minValues: bounds, maxValues: bounds }),
    nullCount: nulls,
    tightBounds: 'BOOLEAN',
  }
}

/** Without the leaves that have no type. */
function structureOf(columns: readonly Column[], leaf: (type: DataType) => string | null): Structure {
  const entries = columns.flatMap(({ name, type }): [string, string | Structure][] => {
    if (typeof type === 'object' && type.kind === 'struct') {
      const inner = structureOf(type.fields, leaf)
      return Object.keys(inner).length === 0 ? [] : [[name, inner]]
    }
    const found = leaf(type)
    return found === null ? [] : [[name, found]]
  })
  return Object.fromEntries(entries)
}

function boundType(type: DataType): string | null {
  if (type === 'binary' || type === 'boolean') return null
  return typeof type === 'object' && type.kind !== 'decimal' ? null : duckdbType(type)
}

function typeOf(structure: string | Structure): string {
  if (typeof structure === 'string') return structure
  return `STRUCT(${Object.entries(structure).map(([name, inner]) => `${identifier(name)} ${typeOf(inner)}`).join(', ')})` // biome-ignore format: one line
}

/** Typed values of partition columns, null where the text is none of the type. */
function partitionField(columns: readonly Column[]): StatisticsField {
  const values = columns.map(({ name, type }) => {
    const text = `nullif(element_at("add".partitionValues, ${literal(name)})[1], '')`
    return `${identifier(name)} := ${type === 'binary' ? `encode(${text})` : `TRY_CAST(${text} AS ${duckdbType(type)})`}`
  })
  const types = columns.map(({ name, type }) => `${identifier(name)} ${duckdbType(type)}`)
  return {
    name: 'partitionValues_parsed',
    type: `STRUCT(${types.join(', ')})`,
    sql: `struct_pack(${values.join(', ')})`,
  }
}
