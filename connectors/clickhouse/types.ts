/** How values are kept in ClickHouse: its types for ours, and what has to stand beside them so that nothing is lost. */

import { duckdbType } from '../../engine/batch/duckdb-types.ts'
import { identifier, literal } from '../../engine/duckdb.ts'
import type { Column, DataType, PrimitiveType } from '../../engine/schema.ts'

const toClickhouse: Readonly<Record<PrimitiveType, string>> = {
  string: 'String',
  long: 'Int64',
  integer: 'Int32',
  short: 'Int16',
  byte: 'Int8',
  double: 'Float64',
  float: 'Float32',
  boolean: 'Bool',
  binary: 'String',
  date: 'Date32',
  timestamp: "DateTime64(6, 'UTC')",
  timestamp_ntz: "DateTime64(6, 'UTC')",
}

/** The type of a column. Lists, maps and structs have no null: see {@link nullsColumn}. */
export function clickhouseType(type: DataType): string {
  if (typeof type === 'string') return `Nullable(${toClickhouse[type]})`
  switch (type.kind) {
    case 'decimal':
      return `Nullable(Decimal(${type.precision}, ${type.scale}))`
    case 'array':
      return `Array(${clickhouseType(withTextDates(type.element))})`
    case 'map':
      return `Map(${clickhouseType(withTextDates(type.key)).replace(/^Nullable\((.*)\)$/, '$1')}, ${clickhouseType(withTextDates(type.value))})`
    case 'struct':
      return `Tuple(${type.fields.map(({ name, type: each }) => `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\` ${clickhouseType(withTextDates(each))}`).join(', ')})`
  }
}

/** Names the lists, maps and structs of a row that are null rather than empty. */
export const nullsColumn = '_millrace_nulls'

/** Name of the column that holds a date as text, exact for every day: ClickHouse's dates begin in 1900 and end in 2299. */
export function isoName(column: string): string {
  return `${column}_iso`
}

/** Whether a type, by our name for it, has no null in ClickHouse. */
export function isNested(typeName: string): boolean {
  return /^(array|map|struct)</.test(typeName)
}

/** DuckDB expressions for what is stored of a column, by the name it is stored under. */
export function storedExpressions(
  relation: string,
  { name, type }: Column,
): readonly [expression: string, name: string][] {
  const value = `${relation}.${identifier(name)}`
  if (type === 'date') {
    const fits = `${value} BETWEEN DATE '1900-01-01' AND DATE '2299-12-31'`
    return [
      [`CASE WHEN ${fits} THEN ${value} END`, name],
      [`CAST(${value} AS VARCHAR)`, isoName(name)],
    ]
  }
  return [[typeof type === 'string' ? value : `CAST(${value} AS ${duckdbType(withTextDates(type))})`, name]]
}

/** DuckDB expression for {@link nullsColumn}. */
export function nullsExpression(relation: string, columns: readonly Column[]): string {
  const nested = columns.filter(({ type }) => typeof type !== 'string' && type.kind !== 'decimal')
  const each = nested.map(({ name }) => `CASE WHEN ${relation}.${identifier(name)} IS NULL THEN ${literal(name)} END`)
  return each.length === 0 ? '[]::VARCHAR[]' : `list_filter([${each.join(', ')}], lambda n: n IS NOT NULL)`
}

/**
 * DuckDB expression that is true where a value is or holds a timestamp that ClickHouse cannot hold, never null; null for types without
 * timestamps.
 */
export function outOfRange(value: string, type: DataType, depth = 0): string | null {
  if (type === 'timestamp' || type === 'timestamp_ntz')
    return `NOT coalesce(${value} >= TIMESTAMP '1900-01-01' AND ${value} < TIMESTAMP '2300-01-01', true)`
  if (typeof type === 'string' || type.kind === 'decimal') return null
  if (type.kind === 'array') return anyOutOfRange(value, type.element, depth)
  const parts =
    type.kind === 'map'
      ? [anyOutOfRange(`map_keys(${value})`, type.key, depth), anyOutOfRange(`map_values(${value})`, type.value, depth)]
      : type.fields.map((field) => outOfRange(`struct_extract(${value}, ${literal(field.name)})`, field.type, depth))
  const wrong = parts.filter((part) => part !== null)
  return wrong.length === 0 ? null : `(${wrong.join(' OR ')})`
}

function anyOutOfRange(list: string, element: DataType, depth: number): string | null {
  const each = `e${depth}`
  const wrong = outOfRange(each, element, depth + 1)
  return wrong === null ? null : `coalesce(len(list_filter(${list}, lambda ${each}: ${wrong})) > 0, false)`
}

/** Dates inside of lists, maps and structs are kept as text. */
function withTextDates(type: DataType): DataType {
  if (type === 'date') return 'string'
  if (typeof type === 'string' || type.kind === 'decimal') return type
  if (type.kind === 'array') return { ...type, element: withTextDates(type.element) }
  if (type.kind === 'map') return { ...type, key: withTextDates(type.key), value: withTextDates(type.value) }
  return { ...type, fields: type.fields.map((field) => ({ ...field, type: withTextDates(field.type) })) }
}
