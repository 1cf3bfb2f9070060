/** Arrow columns written value by value at a row number, so that the row of a rejected record is simply overwritten. */
import {
  type DataType as ArrowType,
  Bool,
  type Data,
  Float64,
  Int64,
  makeData,
  TimestampMicrosecond,
  Utf8,
} from 'apache-arrow'

/** A column being filled, row by row. */
export interface TypedColumn {
  setNull(row: number): void
  /** The first `rows` rows. Called once. */
  finish(rows: number): Data
}

/** 64-bit integers. */
export interface LongColumn extends TypedColumn {
  /** A whole number that a double holds exactly. */
  setNumber(row: number, value: number): void
  setBigint(row: number, value: bigint): void
}

/** Texts as UTF-8 bytes. */
export interface TextColumn extends TypedColumn {
  /** Rows are set in order; setting one again drops what was set for it and after it. */
  setBytes(row: number, bytes: Uint8Array, start: number, end: number): void
}

/** 64-bit floats. */
export interface DoubleColumn extends TypedColumn {
  set(row: number, value: number): void
}

/** Booleans, a bit each when finished. */
export interface BooleanColumn extends TypedColumn {
  set(row: number, value: boolean): void
}

const two32 = 2 ** 32

/** Room for so many integers. */
export function longColumn(rows: number, nullable: boolean): LongColumn {
  return int64Column(new Int64(), rows, nullable)
}

/** Values are microseconds since 1970, UTC. */
export function timestampColumn(rows: number, nullable: boolean): LongColumn {
  return int64Column(new TimestampMicrosecond('UTC'), rows, nullable)
}

function int64Column(type: ArrowType, capacity: number, nullable: boolean): LongColumn {
  const values = new BigInt64Array(capacity)
  const halves = new Int32Array(values.buffer) // little-endian halves: no bigint is made for a value
  const nulls = nullFlags(capacity, nullable)
  return {
    setNumber(row, value) {
      const high = Math.floor(value / two32)
      halves[row * 2] = value - high * two32
      halves[row * 2 + 1] = high
      nulls?.fill(0, row, row + 1)
    },
    setBigint(row, value) {
      values[row] = value
      nulls?.fill(0, row, row + 1)
    },
    setNull(row) {
      values[row] = 0n
      nulls?.fill(1, row, row + 1)
    },
    finish: (rows) => column(type, rows, nulls, { data: values.subarray(0, rows) }),
  }
}

/** Room for so many floats. */
export function doubleColumn(capacity: number, nullable: boolean): DoubleColumn {
  const values = new Float64Array(capacity)
  const nulls = nullFlags(capacity, nullable)
  return {
    set(row, value) {
      values[row] = value
      nulls?.fill(0, row, row + 1)
    },
    setNull(row) {
      values[row] = 0
      nulls?.fill(1, row, row + 1)
    },
    finish: (rows) => column(new Float64(), rows, nulls, { data: values.subarray(0, rows) }),
  }
}

/** Room for so many booleans. */
export function booleanColumn(capacity: number, nullable: boolean): BooleanColumn {
  const values = new Uint8Array(capacity)
  const nulls = nullFlags(capacity, nullable)
  return {
    set(row, value) {
      values[row] = value ? 1 : 0
      nulls?.fill(0, row, row + 1)
    },
    setNull(row) {
      values[row] = 0
      nulls?.fill(1, row, row + 1)
    },
    finish: (rows) => column(new Bool(), rows, nulls, { data: packBits(values, rows, 1) }),
  }
}

/** Room for so many texts; their bytes take what they need. */
export function textColumn(capacity: number, nullable: boolean): TextColumn {
  const offsets = new Int32Array(capacity + 1)
  const nulls = nullFlags(capacity, nullable)
  let values = new Uint8Array(Math.max(64, capacity * 8))
  return {
    setBytes(row, bytes, start, end) {
      const from = offsets[row]!
      const to = from + end - start
      if (to > values.length) values = grow(values, to)
      if (end - start < 32) for (let i = start; i < end; i++) values[from + i - start] = bytes[i]!
      else values.set(bytes.subarray(start, end), from)
      offsets[row + 1] = to
      nulls?.fill(0, row, row + 1)
    },
    setNull(row) {
      offsets[row + 1] = offsets[row]!
      nulls?.fill(1, row, row + 1)
    },
    finish: (rows) =>
      column(new Utf8(), rows, nulls, {
        valueOffsets: offsets.subarray(0, rows + 1),
        data: values.subarray(0, offsets[rows]!),
      }),
  }
}

function grow(values: Uint8Array<ArrayBuffer>, needed: number): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(Math.max(needed, values.length * 2))
  grown.set(values)
  return grown
}

/** One byte per row, 1 for null; none for a column that has no nulls by its definition. */
function nullFlags(capacity: number, nullable: boolean): Uint8Array | null {
  return nullable ? new Uint8Array(capacity) : null
}

function column(type: ArrowType, rows: number, nulls: Uint8Array | null, buffers: object): Data {
  let nullCount = 0
  for (let row = 0; nulls !== null && row < rows; row++) nullCount += nulls[row]!
  const validity = nulls !== null && nullCount > 0 ? { nullBitmap: packBits(nulls, rows, 0) } : {}
  const options = { type, length: rows, nullCount, ...validity, ...buffers }
  return makeData(options as Parameters<typeof makeData>[0]) as Data
}

/** One bit per row, set where the flag equals `set`. */
function packBits(flags: Uint8Array, rows: number, set: 0 | 1): Uint8Array {
  const bits = new Uint8Array((rows + 7) >> 3)
  for (let row = 0; row < rows; row++) if (flags[row] === set) bits[row >> 3]! |= 1 << (row & 7)
  return bits
}
