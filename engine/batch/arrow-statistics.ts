/** Statistics of Arrow columns, computed on their buffers while a file is being written. */
import { DataType as ArrowType, type Data, type RecordBatch, type Schema } from 'apache-arrow'
import type { ColumnStatistics } from '../schema.ts'

/** Statistics of a file, gathered while its batches go by. */
export interface StatisticsCollector {
  add(batch: RecordBatch): void
  /** Counts and bounds of every leaf column outside arrays and maps. */
  finish(): ColumnStatistics[]
}

/**
 * Collects null counts of all leaf columns, and bounds of signed integers, floats, dates, timestamps (microseconds)
 * and text (by UTF-8 bytes). A column in which a NaN or an infinity was seen has no bounds; nor have booleans,
 * decimals and binaries.
 */
export function collectStatistics(schema: Schema): StatisticsCollector {
  const leaves = schema.fields.flatMap((field, i) => leavesOf(field.type, [field.name], [i]))
  return {
    add(batch) {
      for (const leaf of leaves) addLeaf(leaf, batch)
    },
    finish: () => leaves.map(({ path, bounds, nullCount }) => ({ path, nullCount, ...bounds?.finish() })),
  }
}

interface Leaf {
  readonly path: readonly string[]
  /** Child numbers from the batch to the leaf. */
  readonly indices: readonly number[]
  readonly bounds: Bounds | null
  nullCount: number
}

interface Bounds {
  /** Takes in the values of the rows that `isNull` (null: no row is) does not exclude. */
  add(column: Data, isNull: ((row: number) => boolean) | null): void
  finish(): Pick<ColumnStatistics, 'min' | 'max'>
}

function leavesOf(type: ArrowType, path: readonly string[], indices: readonly number[]): Leaf[] {
  if (ArrowType.isStruct(type))
    return type.children.flatMap((field, i) => leavesOf(field.type, [...path, field.name], [...indices, i]))
  if (ArrowType.isList(type) || ArrowType.isFixedSizeList(type) || ArrowType.isMap(type)) return []
  return [{ path, indices, bounds: boundsFor(type), nullCount: 0 }]
}

function boundsFor(type: ArrowType): Bounds | null {
  if (ArrowType.isUtf8(type)) return textBounds()
  if (ArrowType.isDictionary(type)) return ArrowType.isUtf8(type.dictionary) ? dictionaryBounds() : null
  if (ArrowType.isInt(type)) return type.bitWidth === 64 ? longBounds() : numberBounds(BigInt)
  if (ArrowType.isTimestamp(type)) return longBounds()
  if (ArrowType.isDate(type)) return numberBounds(printDate)
  if (ArrowType.isFloat(type)) return numberBounds((value) => value)
  return null
}

/** Days a JavaScript date can print; a column with any beyond them has no bounds. */
const printableDays = 100_000_000

function printDate(days: number): string {
  return new Date(days * 86_400_000).toISOString().slice(0, -14)
}

function addLeaf(leaf: Leaf, batch: RecordBatch): void {
  const chain: Data[] = []
  let column: Data = batch.data
  for (const index of leaf.indices) {
    column = column.children[index]!
    chain.push(column)
  }
  const holed = chain.filter((data) => data.nullCount > 0)
  // a leaf is null where it or a struct around it is
  const isNull = holed.length === 0 ? null : (row: number) => holed.some((data) => !data.getValid(row))
  if (isNull !== null) for (let row = 0; row < batch.numRows; row++) if (isNull(row)) leaf.nullCount += 1
  leaf.bounds?.add(column, isNull)
}

function numberBounds(print: (value: number) => bigint | number | string): Bounds {
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  const limit = print === printDate ? printableDays : Number.MAX_VALUE
  let bounded = true
  return {
    add(column, isNull) {
      const values = column.values as Float64Array
      for (let row = 0; row < column.length; row++) {
        if (isNull?.(row)) continue
        const value = values[row]!
        if (!(Math.abs(value) <= limit)) bounded = false
        if (value < min) min = value
        if (value > max) max = value
      }
    },
    // NaN compares with nothing, so bounds that ignore it would let readers skip files that hold it
    finish: () => (bounded && min <= max ? { min: print(min), max: print(max) } : {}),
  }
}

function longBounds(): Bounds {
  let bounds: { min: bigint; max: bigint } | null = null
  return {
    add(column, isNull) {
      const values = column.values as BigInt64Array
      const halves = new Int32Array(values.buffer, values.byteOffset, values.length * 2)
      let [min, max] = [-1, -1]
      for (let row = 0; row < column.length; row++) {
        if (isNull?.(row)) continue
        if (min < 0 || lessLong(halves, row, min)) min = row
        if (max < 0 || lessLong(halves, max, row)) max = row
      }
      if (min < 0) return
      const found = { min: values[min]!, max: values[max]! }
      bounds ??= found
      if (found.min < bounds.min) bounds.min = found.min
      if (found.max > bounds.max) bounds.max = found.max
    },
    finish: () => bounds ?? {},
  }
}

/** Compares two 64-bit values by halves (little-endian): reading them as bigint would allocate for each row. */
function lessLong(halves: Int32Array, left: number, right: number): boolean {
  const [high, otherHigh] = [halves[left * 2 + 1]!, halves[right * 2 + 1]!]
  return high === otherHigh ? halves[left * 2]! >>> 0 < halves[right * 2]! >>> 0 : high < otherHigh
}

function textBounds(): Bounds {
  let min: Uint8Array | null = null
  let max: Uint8Array | null = null
  return {
    add(column, isNull) {
      const { values, valueOffsets } = column as { values: Uint8Array; valueOffsets: Int32Array }
      for (let row = 0; row < column.length; row++) {
        if (isNull?.(row)) continue
        const [start, end] = [valueOffsets[row]!, valueOffsets[row + 1]!]
        if (min === null || compareBytes(values, start, end, min) < 0) min = values.slice(start, end)
        if (max === null || compareBytes(values, start, end, max) > 0) max = values.slice(start, end)
      }
    },
    finish: () => (min === null || max === null ? {} : { min: text(min), max: text(max) }),
  }
}

function dictionaryBounds(): Bounds {
  const inner = textBounds()
  return {
    add(column, isNull) {
      // bounds over the whole dictionary hold for the rows too, though an unused entry makes them wider
      for (const data of column.dictionary?.data ?? [])
        inner.add(data, data.nullCount > 0 ? (row) => !data.getValid(row) : isNull && null)
    },
    finish: inner.finish,
  }
}

function compareBytes(values: Uint8Array, start: number, end: number, other: Uint8Array): number {
  const length = Math.min(end - start, other.length)
  for (let i = 0; i < length; i++) {
    const difference = values[start + i]! - other[i]!
    if (difference !== 0) return difference
  }
  return end - start - other.length
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}
