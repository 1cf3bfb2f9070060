/** File statistics (PROTOCOL.md, "Per-file Statistics"): printed for our files, read to skip files. */
import type { DataType, ParquetFile } from '../../engine/schema.ts'
import type { AddFile } from './actions.ts'
import { int64, parseJson, printJson } from './int64-json.ts'
import { partitionBound } from './partitions/partition-values.ts'
import { parseTimestamp, printTimestamp } from './timestamp.ts'

/** Other readers and writers look no further either. */
const indexedLeaves = 32
/** Code points kept of a text. */
const prefixLength = 32

type Bound = bigint | number | string

/**
 * The `stats` text of a file: row count, and null counts and bounds of its first 32 leaf columns. Texts are cut to a
 * prefix, the upper one rounded up; timestamps are floored to milliseconds, both of them, as the protocol has it, so
 * that a reader must take an upper one as up to 999 microseconds more.
 */
export function printStatistics(file: Pick<ParquetFile, 'rows' | 'columns' | 'statistics'>): string {
  const [minValues, maxValues, nullCount] = [{}, {}, {}]
  const known = new Map(file.statistics.map((column) => [column.path.join('\0'), column]))
  let leaves = 0
  for (const { path, type } of leavesOf(file.columns, [])) {
    if (++leaves > indexedLeaves) break
    const column = known.get(path.join('\0'))
    if (column === undefined) continue
    setAt(nullCount, path, column.nullCount)
    setAt(minValues, path, printMin(column.min, type))
    setAt(maxValues, path, printMax(column.max, type))
  }
  return printJson({ numRecords: file.rows, minValues, maxValues, nullCount })
}

/** How many rows of a file count, deleted ones left out, or null if its writer did not say. */
export function rowsOf(add: AddFile): bigint | null {
  const rows = int64(parseStats(add)?.numRecords)
  return rows === null ? null : rows - (add.deletionVector?.cardinality ?? 0n)
}

/**
 * Statistics of a file of which rows are marked as deleted: its bounds hold, but need not be reached any more (PROTOCOL.md,
 * "Per-file Statistics", `tightBounds`).
 */
export function looseStatistics(stats: string): string {
  return printJson({ ...(parseJson(stats) as object), tightBounds: false })
}

/** Rows that somebody looks for: `min <= column <= max`, both as in the statistics of a `ParquetFile`; null: any. */
export interface ColumnRange {
  /** Field names from the top-level column to the leaf. */
  readonly path: readonly string[]
  readonly type: DataType
  readonly min: Bound | null
  readonly max: Bound | null
}

/** Whether the file may hold a row in the range. True whenever its statistics do not rule it out. */
export function mayMatchRange(add: AddFile, range: ColumnRange): boolean {
  return mayMatchRanges(add, [range])
}

/** Whether the file may hold a row that lies in every one of the ranges: by its partition or its statistics. */
export function mayMatchRanges(add: AddFile, ranges: readonly ColumnRange[]): boolean {
  const [parted, stored] = [ranges.filter(isParted), ranges.filter((range) => !isParted(range))]
  if (!parted.every((range) => isPartitionIn(add, range))) return false
  if (stored.length === 0) return true
  const stats = parseStats(add)
  return stats === null || stored.every((range) => overlaps(stats, range))

  function isParted({ path }: ColumnRange): boolean {
    return Object.hasOwn(add.partitionValues, path[0]!)
  }
}

/** Whether the file may hold a null in a column. False only if its partition or its statistics say so. */
export function mayHoldNull(add: AddFile, column: string): boolean {
  if (Object.hasOwn(add.partitionValues, column)) return (add.partitionValues[column] ?? '') === ''
  return int64(valueAt(parseStats(add)?.nullCount, [column])) !== 0n
}

// ---------------------------------------------------------------------------------------------- printing

interface Leaf {
  readonly path: readonly string[]
  readonly type: DataType
}

function* leavesOf(columns: ParquetFile['columns'], prefix: readonly string[]): Generator<Leaf> {
  for (const { name, type } of columns) {
    const path = [...prefix, name]
    if (typeof type === 'object' && type.kind === 'struct') yield* leavesOf(type.fields, path)
    else yield { path, type }
  }
}

/** Whether a date is of the years that all readers know, whose texts are in the order of the days. */
export function isComparableDate(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text)
}

/** Null: no bound is given. */
function printMin(value: Bound | undefined, type: DataType): Bound | null {
  if (value === undefined) return null
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'bigint') return isTimestamp(type) ? printTimestamp(value, type) : value
  if (type === 'date') return isComparableDate(value) ? value : null
  if (type !== 'string') return value
  return value.isWellFormed()
    ? Array.from(value.slice(0, prefixLength * 2))
        .slice(0, prefixLength)
        .join('')
    : null
}

function printMax(value: Bound | undefined, type: DataType): Bound | null {
  return type === 'string' && typeof value === 'string' ? textAtLeast(value) : printMin(value, type)
}

/**
 * The text itself if it is short, else a short one that is greater than all that begin alike: the last code point of
 * the prefix that has a successor is raised. Null if none has.
 */
function textAtLeast(value: string): string | null {
  if (!value.isWellFormed()) return null
  const points = Array.from(value.slice(0, prefixLength * 2 + 2), (char) => char.codePointAt(0)!)
  if (points.length <= prefixLength) return value
  for (let last = prefixLength - 1; last >= 0; last--) {
    const point = points[last]!
    if (point < 0x10ffff) return String.fromCodePoint(...points.slice(0, last), point === 0xd7ff ? 0xe000 : point + 1)
  }
  return null
}

function isTimestamp(type: DataType): type is 'timestamp' | 'timestamp_ntz' {
  return type === 'timestamp' || type === 'timestamp_ntz'
}

interface Nested {
  [name: string]: unknown
}

function setAt(target: Nested, path: readonly string[], value: unknown): void {
  if (value === null) return
  let inner = target
  for (const name of path.slice(0, -1)) {
    if (!Object.hasOwn(inner, name)) define(inner, name, {})
    inner = inner[name] as Nested
  }
  define(inner, path.at(-1)!, value)
}

/** Plain assignment would lose a column named `__proto__`. */
function define(target: Nested, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
}

// ---------------------------------------------------------------------------------------------- skipping

/** Statistics as the log has them. */
export type Stats = Readonly<Record<string, unknown>>

/** The statistics of a file; null if it has none, or none that can be read. */
export function parseStats(add: AddFile): Stats | null {
  if (add.stats === undefined) return null
  try {
    const stats = parseJson(add.stats)
    return typeof stats === 'object' && stats !== null ? (stats as Stats) : null
  } catch {
    return null // statistics only ever help: unreadable ones are as good as none
  }
}

function overlaps(stats: Stats, range: ColumnRange): boolean {
  const rows = int64(stats.numRecords)
  if (rows !== null && int64(valueAt(stats.nullCount, range.path)) === rows) return false
  const min = readBound(valueAt(stats.minValues, range.path), range.type)
  const max = readBound(valueAt(stats.maxValues, range.path), range.type)
  if (min !== null && range.max !== null && comparable(min, range.max) && compare(range.max, min) < 0) return false
  if (max === null || range.min === null || !comparable(max, range.min)) return true
  const upper = isTimestamp(range.type) && typeof max === 'bigint' ? max + 999n : max
  return compare(range.min, upper) <= 0
}

/** Whether all rows of the file may lie in the range of a partition column. */
function isPartitionIn(add: AddFile, { path, type, min, max }: ColumnRange): boolean {
  const text = add.partitionValues[path[0]!] ?? null
  if (text === null) return false
  const value = partitionBound(text, type)
  if (value === null) return true
  return (min === null || compare(min, value) <= 0) && (max === null || compare(value, max) <= 0)
}

/** A value of nested statistics, by the names of fields from the column to the leaf; undefined where there is none. */
export function valueAt(values: unknown, path: readonly string[]): unknown {
  let value = values
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Nested)[name]
  }
  return value
}

/** Null for what is not a bound of that type, such as the text `NaN` that some writers leave. */
function readBound(value: unknown, type: DataType): Bound | null {
  switch (type) {
    case 'long':
    case 'integer':
    case 'short':
    case 'byte':
      return int64(value)
    case 'double':
      return readNumber(value)
    case 'float': {
      const number = readNumber(value)
      return number === null ? null : Math.fround(number) // printed in fewer digits than its double has
    }
    case 'string':
      return typeof value === 'string' ? value : null
    case 'date':
      return typeof value === 'string' && isComparableDate(value) ? value : null
    case 'timestamp':
    case 'timestamp_ntz':
      return typeof value === 'string' ? parseTimestamp(value) : null
    default:
      return null
  }
}

function readNumber(value: unknown): number | null {
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : null
}

function comparable(left: Bound, right: Bound): boolean {
  return (typeof left === 'string') === (typeof right === 'string')
}

function compare(left: Bound, right: Bound): number {
  if (typeof left === 'string' && typeof right === 'string')
    return Buffer.compare(Buffer.from(left), Buffer.from(right))
  return left < right ? -1 : left > right ? 1 : 0
}
