/**
 * Values of partition columns (PROTOCOL.md, "Partition Value Serialization"): as SQL, from a column to its text; and from the
 * text of a log to what it can be compared by. How the text becomes rows again is read.ts.
 */
import { identifier } from '../../../engine/duckdb.ts'
import type { Column, DataType } from '../../../engine/schema.ts'
import { parseTimestamp } from '../timestamp.ts'

/** The partition that a file belongs to: by column, in the table's order; null for null. */
export type PartitionValues = Readonly<Record<string, string | null>>

/**
 * SQL of a partition column's values as a table can give them back: a text or bytes without length are null there, and there
 * is one zero.
 */
export function normalizedValue({ name, type }: Column): string {
  const value = identifier(name)
  switch (type) {
    case 'string':
      return `nullif(${value}, '')`
    case 'binary':
      return `CASE WHEN octet_length(${value}) > 0 THEN ${value} END`
    case 'double':
    case 'float':
      return `CASE WHEN ${value} = 0 THEN 0 ELSE ${value} END`
    default:
      return value
  }
}

/** Query: the rows of another, with the values of partition columns as a table can give them back. */
export function normalizedRows(columns: readonly Column[], partitionColumns: readonly string[], query: string): string {
  if (partitionColumns.length === 0) return query
  const selected = columns.map((column) =>
    partitionColumns.includes(column.name)
      ? `${normalizedValue(column)} AS ${identifier(column.name)}`
      : identifier(column.name),
  )
  return `SELECT ${selected.join(', ')} FROM (${query})`
}

/**
 * SQL of the text that the log has for a normalized value. Null also for a value that has none: days before the year 1 and
 * after 9999, bytes that are no UTF-8.
 */
export function serializedValue({ name, type }: Column): string {
  const value = identifier(name)
  const text = `CAST(${value} AS VARCHAR)`
  switch (type) {
    case 'double':
    case 'float':
      return `CASE WHEN isnan(${value}) THEN 'NaN' WHEN isinf(${value}) THEN (CASE WHEN ${value} > 0 THEN 'Infinity' ELSE '-Infinity' END) ELSE ${text} END`
    case 'binary':
      return `TRY(decode(${value}))`
    case 'date':
      return `CASE WHEN ${value} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN ${text} END`
    case 'timestamp':
      return printedTime(`timezone('UTC', ${value})`, '%Y-%m-%dT%H:%M:%S.%fZ')
    case 'timestamp_ntz':
      return printedTime(value, '%Y-%m-%d %H:%M:%S.%f')
    default:
      return text
  }
}

function printedTime(time: string, format: string): string {
  return `CASE WHEN ${time} >= TIMESTAMP '0001-01-01 00:00:00' AND ${time} < TIMESTAMP '10000-01-01 00:00:00' THEN strftime(${time}, '${format}') END`
}

/** A partition value as statistics have bounds: {@link ColumnStatistics}. Null where it cannot be told. */
export function partitionBound(text: string, type: DataType): bigint | string | null {
  switch (type) {
    case 'long':
    case 'integer':
    case 'short':
    case 'byte':
      return /^[-+]?\d+$/.test(text) ? BigInt(text.replace('+', '')) : null
    case 'string':
      return text
    case 'date':
      return /^\d{4}-\d\d-\d\d$/.test(text) ? text : null
    case 'timestamp_ntz':
      return parseTimestamp(text)
    case 'timestamp':
      return /Z|[+-]\d\d:?\d\d$/.test(text) ? parseTimestamp(text) : null // without a zone nobody knows which
    default:
      return null
  }
}

/** Types whose values have one text each, once {@link canonicalText} has been at it. */
export const canonicalTypes: ReadonlySet<DataType> = new Set<DataType>([
  'string',
  'long',
  'integer',
  'short',
  'byte',
  'boolean',
  'date',
])

/** The one text of a value of {@link canonicalTypes}, however its writer spelled it. Null where it cannot be told. */
export function canonicalText(text: string, type: DataType): string | null {
  if (type === 'boolean') return /^(true|false)$/i.test(text) ? text.toLowerCase() : null
  const bound = partitionBound(text, type)
  return bound === null ? null : String(bound)
}
