/** DuckDB's values in the form of `readable.ts`. */
import type * as Api from '@duckdb/node-api'
import { dayText, timeText } from './readable.ts'

/**
 * Numbers, texts, booleans and null as they are, whole numbers of 64 bits and more as bigint, bytes as Uint8Array, lists as arrays, structs as
 * objects, maps as maps; days, times and exact fractions as text, and so whatever else DuckDB has.
 * @param api the client, which is loaded where a database is opened
 */
export function readableValue(value: unknown, api: typeof Api): unknown {
  if (typeof value !== 'object' || value === null) return value
  const inner = (each: unknown): unknown => readableValue(each, api)
  if (value instanceof api.DuckDBDateValue) return dayText(value.days)
  if (value instanceof api.DuckDBTimestampValue) return timeText(value.micros, '')
  if (value instanceof api.DuckDBTimestampTZValue) return timeText(value.micros, 'Z')
  if (value instanceof api.DuckDBTimestampSecondsValue) return timeText(value.seconds * 1_000_000n, '')
  if (value instanceof api.DuckDBTimestampMillisecondsValue) return timeText(value.millis * 1000n, '')
  if (value instanceof api.DuckDBTimestampNanosecondsValue) return timeText(floored(value.nanos, 1000n), '')
  if (value instanceof api.DuckDBBlobValue) return value.bytes
  if (value instanceof api.DuckDBListValue || value instanceof api.DuckDBArrayValue) return value.items.map(inner)
  if (value instanceof api.DuckDBStructValue)
    return Object.fromEntries(Object.entries(value.entries).map(([name, each]) => [name, inner(each)]))
  if (value instanceof api.DuckDBMapValue)
    return new Map(value.entries.map(({ key, value: each }) => [inner(key), inner(each)]))
  if (value instanceof api.DuckDBUnionValue) return inner(value.value)
  return String(value)
}

function floored(value: bigint, by: bigint): bigint {
  return (value - (((value % by) + by) % by)) / by
}
