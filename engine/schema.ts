/**
 * Column types shared by every part. Names are those of the Delta protocol (PROTOCOL.md, "Schema Serialization
 * Format"), so that a table's schema needs no translation; each engine maps them to its own once.
 */
export type PrimitiveType =
  | 'string'
  | 'long'
  | 'integer'
  | 'short'
  | 'byte'
  | 'double'
  | 'float'
  | 'boolean'
  | 'binary'
  | 'date'
  | 'timestamp' // microseconds, UTC-adjusted
  | 'timestamp_ntz'

/** Exact to `scale` digits behind the point. */
export interface DecimalType {
  readonly kind: 'decimal'
  readonly precision: number
  readonly scale: number
}
/** Elements may be null. */
export interface ArrayType {
  readonly kind: 'array'
  readonly element: DataType
}
/** Fields in this order; each may be null. */
export interface StructType {
  readonly kind: 'struct'
  readonly fields: readonly Column[]
}
/** Values may be null, keys not. */
export interface MapType {
  readonly kind: 'map'
  readonly key: DataType
  readonly value: DataType
}
/** What a column can hold: the types of a Delta table. */
export type DataType = PrimitiveType | DecimalType | ArrayType | StructType | MapType

/** A named, nullable column. Names are case-preserving and compared exactly. */
export interface Column {
  readonly name: string
  readonly type: DataType
}

/**
 * Bounds of one leaf column in one file. Absent bounds mean "unknown", never "none": a reader may skip a file only on
 * bounds that are there. Strings may be prefixes, the upper one rounded up.
 */
export interface ColumnStatistics {
  /** Path of field names from the top-level column to the leaf (structs only; no statistics inside arrays or maps). */
  readonly path: readonly string[]
  /**
   * long, integer, short, byte: bigint; double, float: number (finite); string: string; date: 'YYYY-MM-DD';
   * timestamp, timestamp_ntz: bigint microseconds since 1970-01-01T00:00:00Z.
   */
  readonly min?: bigint | number | string
  readonly max?: bigint | number | string
  readonly nullCount: number
}

/** A finished Parquet file in local staging, not yet part of any table. */
export interface ParquetFile {
  /** Absolute local path. */
  readonly path: string
  readonly rows: number
  readonly sizeBytes: number
  readonly columns: readonly Column[]
  readonly statistics: readonly ColumnStatistics[]
}

/** `array<struct<id: long, name: string>>` and the like: for messages and `explain`. */
export function formatType(type: DataType): string {
  if (typeof type === 'string') return type
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`
    case 'array':
      return `array<${formatType(type.element)}>`
    case 'map':
      return `map<${formatType(type.key)}, ${formatType(type.value)}>`
    case 'struct':
      return `struct<${type.fields.map((field) => `${field.name}: ${formatType(field.type)}`).join(', ')}>`
  }
}

/** Structural equality of two types. */
export function sameType(left: DataType, right: DataType): boolean {
  return formatType(left) === formatType(right)
}

/** Rows in files; 0 without any. */
export function countRows(files: readonly ParquetFile[] | undefined): number {
  return (files ?? []).reduce((sum, file) => sum + file.rows, 0)
}

const primitives: ReadonlySet<string> = new Set<PrimitiveType>([
  'string',
  'long',
  'integer',
  'short',
  'byte',
  'double',
  'float',
  'boolean',
  'binary',
  'date',
  'timestamp',
  'timestamp_ntz',
])

/** Whether a name is that of a type without parts. */
export function isPrimitive(name: string): name is PrimitiveType {
  return primitives.has(name)
}
