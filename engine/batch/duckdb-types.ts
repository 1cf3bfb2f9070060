/** Our column types and DuckDB's, mapped once. */
import { type Connection, type DuckdbType, identifier } from '../duckdb.ts'
import { MillraceError } from '../errors.ts'
import type { Column, DataType, PrimitiveType } from '../schema.ts'

const toDuckdb: Readonly<Record<PrimitiveType, string>> = {
  string: 'VARCHAR',
  long: 'BIGINT',
  integer: 'INTEGER',
  short: 'SMALLINT',
  byte: 'TINYINT',
  double: 'DOUBLE',
  float: 'FLOAT',
  boolean: 'BOOLEAN',
  binary: 'BLOB',
  date: 'DATE',
  timestamp: 'TIMESTAMPTZ',
  timestamp_ntz: 'TIMESTAMP',
}

/** By DuckDB's `duckdb_type` enum (duckdb.h). Unsigned types widen to the next signed one. */
const fromDuckdb: Readonly<Record<number, PrimitiveType>> = {
  1: 'boolean',
  2: 'byte',
  3: 'short',
  4: 'integer',
  5: 'long',
  6: 'short',
  7: 'integer',
  8: 'long',
  10: 'float',
  11: 'double',
  12: 'timestamp_ntz',
  13: 'date',
  17: 'string',
  18: 'binary',
  31: 'timestamp',
}

const typeId = { decimal: 19, list: 24, struct: 25, map: 26, array: 33 }

/** The SQL type that holds `type`. */
export function duckdbType(type: DataType): string {
  if (typeof type === 'string') return toDuckdb[type]
  switch (type.kind) {
    case 'decimal':
      return `DECIMAL(${type.precision}, ${type.scale})`
    case 'array':
      return `${duckdbType(type.element)}[]`
    case 'map':
      return `MAP(${duckdbType(type.key)}, ${duckdbType(type.value)})`
    case 'struct':
      return `STRUCT(${type.fields.map((field) => `${identifier(field.name)} ${duckdbType(field.type)}`).join(', ')})`
  }
}

/** The column type that holds a DuckDB type; `SCHEMA_MISMATCH` where none does (HUGEINT, INTERVAL, UNION, ...). */
function columnType(type: DuckdbType, name: string): DataType {
  if (type.typeId === typeId.decimal) return { kind: 'decimal', precision: type.width ?? 18, scale: type.scale ?? 3 }
  if ((type.typeId === typeId.list || type.typeId === typeId.array) && type.valueType)
    return { kind: 'array', element: columnType(type.valueType, name) }
  if (type.typeId === typeId.map && type.keyType && type.valueType)
    return { kind: 'map', key: columnType(type.keyType, name), value: columnType(type.valueType, name) }
  if (type.typeId === typeId.struct && type.entryNames && type.entryTypes) {
    const types = type.entryTypes
    return {
      kind: 'struct',
      fields: type.entryNames.map((field, i) => ({ name: field, type: columnType(types[i]!, `${name}.${field}`) })),
    }
  }
  const primitive = fromDuckdb[type.typeId]
  if (primitive === undefined)
    throw new MillraceError(
      'SCHEMA_MISMATCH',
      `column ${name} has a type that no table can hold: DuckDB type id ${type.typeId} (cast it in the step that makes it)`,
    )
  return primitive
}

/** The columns of a query. */
export async function describeColumns(connection: Connection, query: string): Promise<Column[]> {
  const { names, types } = await connection.describe(query)
  return names.map((name, i) => ({ name, type: columnType(types[i]!, name) }))
}
