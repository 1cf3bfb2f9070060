/** From record batches to Arrow columns, in one pass: no object is made for a record. */
import { Binary, type Data, Int32, Int64, makeData, type Table, TimestampMicrosecond, Utf8 } from 'apache-arrow'
import { batchOf, constantColumn, tableOf } from '../../engine/batch/arrow.ts'
import { recordSchema } from '../../engine/batch/record-columns.ts'
import { Contradiction, damagedBatch } from './damaged-batch.ts'
import {
  addHeaderKey,
  addHeaderValue,
  grownBytes,
  type HeaderColumns,
  headersColumn,
  openHeaders,
} from './header-columns.ts'
import {
  anyCompressed,
  type BatchHead,
  brokerTimestamp,
  endOffset,
  type RecordBytes,
  recordBytes,
} from './record-batch.ts'

/** Which records are wanted. */
export interface Wanted {
  readonly topic: string
  readonly partition: number
  readonly start: bigint
  readonly end: bigint
  /** Keys, values and headers may have so many bytes together; the first record may have more, if `first`. */
  readonly maxBytes: number
  readonly first: boolean
  /** Bytes that a batch may unpack to. Default {@link defaultMaxUnpackedBytes}. */
  readonly maxUnpackedBytes?: number
}

/** More than brokers, which take a megabyte compressed, are sent as one batch. */
export const defaultMaxUnpackedBytes = 128 * 2 ** 20
/** Once so much is unpacked, the batches that follow wait: what a broker sends may unpack to any multiple of its size. */
const chunkBytes = 4 * 2 ** 20

/** The records that were decoded. */
export interface Decoded {
  readonly table: Table
  /** Bytes of keys, values and headers. */
  readonly bytes: number
  /** Of the batches, how many were decoded or are not wanted: the others are for the next call. */
  readonly taken: number
  /** Offset of the first record that was left out for its size; null if none was. */
  readonly fullAt: bigint | null
}

/**
 * The wanted records of `heads`, which count, out of `bytes`: of the first batch, and of those after it until there is enough for
 * one table. Overwrites `bytes`: without compression, the values are moved together where they are, and the table's column of values
 * is that memory. `SOURCE_READ_FAILED` for a batch that contradicts itself or unpacks to too much.
 */
export function decodeRecords(bytes: Buffer, heads: readonly BatchHead[], wanted: Wanted): Decoded {
  const place = `topic ${wanted.topic} partition ${wanted.partition}`
  const { parts, taken } = unpackSome(bytes, heads, wanted, place)
  const columns = openColumns(mostRows(parts, wanted), memoryFor(bytes, parts))
  let fullAt: bigint | null = null
  for (const { head, records } of parts) {
    if (fullAt === null) fullAt = readBatch(columns, head, records, wanted, place)
  }
  return { table: tableFrom(columns, wanted), bytes: payloadOf(columns), taken, fullAt }
}

function payloadOf({ keyEnd, valueEnd, headerBytes }: Columns): number {
  return keyEnd + valueEnd + headerBytes
}

interface Part {
  readonly head: BatchHead
  readonly records: RecordBytes
}

/** The first of the batches with wanted records, as many as make up a table. */
function unpackSome(bytes: Buffer, heads: readonly BatchHead[], wanted: Wanted, place: string) {
  const parts: Part[] = []
  let size = 0
  let taken = 0
  for (const head of heads) {
    if (head.baseOffset >= wanted.end) taken = heads.length
    if (taken === heads.length || size >= chunkBytes) break
    taken += 1
    if (endOffset(head) <= wanted.start) continue
    const records = recordBytes(bytes, head, place, wanted.maxUnpackedBytes ?? defaultMaxUnpackedBytes)
    parts.push({ head, records })
    size += records.to - records.from
  }
  return { parts, taken }
}

/** Offsets ascend, so that not more records are wanted than there are offsets. */
function mostRows(parts: readonly Part[], { start, end }: Wanted): number {
  const rows = parts.reduce((sum, { head }) => sum + head.count, 0)
  return end - start < BigInt(rows) ? Math.max(0, Number(end - start)) : rows
}

/** Where the values are gathered: in the memory that they are in, if it is one. */
function memoryFor(bytes: Buffer, parts: readonly Part[]): Buffer {
  if (parts.length === 1) return parts[0]!.records.bytes
  if (!anyCompressed(parts.map(({ head }) => head))) return bytes
  return Buffer.allocUnsafeSlow(sizeOf(parts))
}

function sizeOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { records }) => sum + records.to - records.from, 0)
}

/** 64-bit numbers that are written in halves: a bigint for each record would cost more than all else. */
interface Int64Halves {
  readonly numbers: BigInt64Array
  readonly halves: Int32Array
}

function int64Halves(length: number): Int64Halves {
  const numbers = new BigInt64Array(length)
  return { numbers, halves: new Int32Array(numbers.buffer) }
}

/** Sets `high * 2^32 + low`, where `low` need not fit in 32 bits. */
function setInt64({ halves }: Int64Halves, row: number, high: number, low: number): void {
  halves[2 * row] = low % 0x1_0000_0000
  halves[2 * row + 1] = high + Math.floor(low / 0x1_0000_0000)
}

/** What a record without a timestamp has instead (Kafka's `NO_TIMESTAMP`). */
const noTimestamp = -1

/**
 * Sets milliseconds as microseconds; null where there is none, or none that numbers and microseconds hold exactly (the years
 * up to 287,396). Multiplied as one number, times after the year 2255 would be rounded.
 */
function setTimestamp(columns: Columns, milliseconds: number): void {
  if (!(Math.abs(milliseconds) <= Number.MAX_SAFE_INTEGER) || milliseconds === noTimestamp) {
    columns.timestampNulls ??= new Uint8Array(columns.keyNulls.length).fill(0xff)
    columns.timestampNulls[columns.rows >> 3]! &= ~(1 << (columns.rows & 7))
    columns.timestampNullCount += 1
    return
  }
  const high = Math.floor(milliseconds / 0x1_0000_0000)
  setInt64(columns.timestamps, columns.rows, high * 1000, (milliseconds - high * 0x1_0000_0000) * 1000)
}

/** Columns being filled. */
interface Columns {
  rows: number
  readonly offsets: Int64Halves
  readonly timestamps: Int64Halves
  /** Null as long as every record has one. */
  timestampNulls: Uint8Array | null
  timestampNullCount: number
  readonly keyOffsets: Int32Array
  keys: Buffer
  keyEnd: number
  readonly keyNulls: Uint8Array
  keyNullCount: number
  readonly valueOffsets: Int32Array
  readonly values: Buffer
  valueEnd: number
  readonly valueNulls: Uint8Array
  valueNullCount: number
  /** Null as long as no record has any. */
  headers: HeaderColumns | null
  headerBytes: number
}

function openColumns(capacity: number, values: Buffer): Columns {
  return {
    rows: 0,
    offsets: int64Halves(capacity),
    timestamps: int64Halves(capacity),
    timestampNulls: null,
    timestampNullCount: 0,
    keyOffsets: new Int32Array(capacity + 1),
    keys: Buffer.allocUnsafeSlow(Math.max(64, capacity * 16)),
    keyEnd: 0,
    keyNulls: new Uint8Array((capacity + 7) >> 3),
    keyNullCount: 0,
    valueOffsets: new Int32Array(capacity + 1),
    values,
    valueEnd: 0,
    valueNulls: new Uint8Array((capacity + 7) >> 3),
    valueNullCount: 0,
    headers: null,
    headerBytes: 0,
  }
}

/** Where the next byte is read: kept here, since a pair of values returned for each number would be an object. */
let cursor = 0

/** A zigzag number of up to 32 bits (Protocol Buffers' `sint32`). */
function readVarint(bytes: Buffer): number {
  let byte = bytes[cursor++]!
  if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1)
  let value = byte & 0x7f
  for (let shift = 7; shift < 28; shift += 7) {
    byte = bytes[cursor++]!
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
  }
  byte = bytes[cursor++]!
  if (!(byte < 0x10)) throw new Contradiction('a number has more than 32 bits')
  value |= byte << 28
  return (value >>> 1) ^ -(value & 1)
}

/** A zigzag number, NaN if it is not exact in 53 bits: those are enough for differences of timestamps in milliseconds. */
function readVarlong(bytes: Buffer): number {
  let byte = bytes[cursor++]!
  let value = byte & 0x7f
  for (let shift = 7; byte >= 0x80; shift += 7) {
    if (shift === 28) return readRestOfVarlong(bytes, value)
    byte = bytes[cursor++]!
    value |= (byte & 0x7f) << shift
  }
  return (value >>> 1) ^ -(value & 1)
}

const mostVarlongBytes = 10

/** The number whose first 28 bits are `low`. */
function readRestOfVarlong(bytes: Buffer, low: number): number {
  let value = low
  let factor = 2 ** 28
  for (let i = 4; i < mostVarlongBytes; i += 1) {
    const byte = bytes[cursor++]!
    value += (byte & 0x7f) * factor
    if (byte < 0x80) {
      if (value > Number.MAX_SAFE_INTEGER) return Number.NaN
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    factor *= 128
  }
  throw new Contradiction('a number has more than 64 bits')
}

/** Adds the wanted records of a batch; the offset of the first that does not fit, or null. */
function readBatch(
  columns: Columns,
  head: BatchHead,
  records: RecordBytes,
  wanted: Wanted,
  place: string,
): bigint | null {
  try {
    return readRecords(columns, head, records, wanted)
  } catch (error) {
    if (!(error instanceof Contradiction)) throw error
    throw damagedBatch({ place, baseOffset: head.baseOffset }, `contradicts itself: ${error.message}`)
  }
}

function readRecords(
  columns: Columns,
  head: BatchHead,
  { bytes, from, to }: RecordBytes,
  wanted: Wanted,
): bigint | null {
  const firstDelta = wanted.start > head.baseOffset ? Number(wanted.start - head.baseOffset) : 0
  const lastDelta = wanted.end <= endOffset(head) ? Number(wanted.end - head.baseOffset) : head.lastOffsetDelta + 1
  const stamp = brokerTimestamp(head)
  const baseHigh = Number(head.baseOffset >> 32n)
  const baseLow = Number(BigInt.asUintN(32, head.baseOffset))
  let before = -1
  cursor = from
  for (let i = 0; i < head.count; i += 1) {
    const length = readVarint(bytes)
    const next = cursor + length
    if (length < 0 || next > to) throw new Contradiction(`record ${i + 1} of ${head.count} is ${length} bytes long`)
    cursor += 1 // attributes: none are in use
    const timestamp = readVarlong(bytes)
    const delta = readVarint(bytes)
    if (delta <= before || delta > head.lastOffsetDelta)
      throw new Contradiction(`offset ${delta} of at most ${head.lastOffsetDelta} follows offset ${before}`)
    before = delta
    if (delta >= lastDelta) return null
    if (delta >= firstDelta) {
      const keyLength = readLength(bytes, next)
      const keyAt = cursor
      if (keyLength > 0) cursor += keyLength
      const valueLength = readLength(bytes, next)
      const valueAt = cursor
      if (valueLength > 0) cursor += valueLength
      const headers = readVarint(bytes)
      const headersAt = cursor
      const headerBytes = headers === 0 ? 0 : skipHeaders(bytes, headers, next)
      if (cursor !== next) throw new Contradiction(`a record ends ${cursor - next} bytes after its length`)
      const size = (keyLength > 0 ? keyLength : 0) + (valueLength > 0 ? valueLength : 0) + headerBytes
      if (payloadOf(columns) + size > wanted.maxBytes && !(wanted.first && columns.rows === 0))
        return head.baseOffset + BigInt(delta)
      cursor = headersAt
      if (headers > 0) addHeaders(columns, bytes, headers)
      if (columns.headers !== null) columns.headers.rowEnds[columns.rows + 1] = columns.headers.count
      addKey(columns, bytes, keyAt, keyLength)
      // Last of all: where values are moved within the bytes themselves, this may overwrite what was read before it.
      addValue(columns, bytes, valueAt, valueLength)
      setTimestamp(columns, stamp ?? head.baseTimestamp + timestamp)
      setInt64(columns.offsets, columns.rows, baseHigh, baseLow + delta)
      columns.rows += 1
    }
    cursor = next
  }
  if (cursor !== to) throw new Contradiction(`${to - cursor} bytes follow the last of its ${head.count} records`)
  return null
}

/** How many bytes follow, at most up to `next`; -1: null. */
function readLength(bytes: Buffer, next: number): number {
  const length = readVarint(bytes)
  if (length < -1 || length > next - cursor)
    throw new Contradiction(`${length} bytes are said to follow in a record that has ${next - cursor} left`)
  return length
}

function addKey(columns: Columns, bytes: Buffer, at: number, length: number): void {
  const row = columns.rows
  if (length < 0) columns.keyNullCount += 1
  else {
    columns.keyNulls[row >> 3]! |= 1 << (row & 7)
    const end = columns.keyEnd + length
    if (end > columns.keys.length) columns.keys = grownBytes(columns.keys, columns.keyEnd, end)
    bytes.copy(columns.keys, columns.keyEnd, at, at + length)
    columns.keyEnd = end
  }
  columns.keyOffsets[row + 1] = columns.keyEnd
}

function addValue(columns: Columns, bytes: Buffer, at: number, length: number): void {
  const row = columns.rows
  if (length < 0) columns.valueNullCount += 1
  else {
    columns.valueNulls[row >> 3]! |= 1 << (row & 7)
    bytes.copy(columns.values, columns.valueEnd, at, at + length)
    columns.valueEnd += length
  }
  columns.valueOffsets[row + 1] = columns.valueEnd
}

/** Bytes of the headers that begin at the cursor, which is moved past them; they end before `next`. */
function skipHeaders(bytes: Buffer, count: number, next: number): number {
  // Each takes the length of its key and that of its value.
  if (count < 0 || count > (next - cursor) / 2)
    throw new Contradiction(`a record says that it has ${count} headers, in ${next - cursor} bytes`)
  let size = 0
  for (let i = 0; i < count; i += 1) {
    const key = readLength(bytes, next)
    if (key < 0) throw new Contradiction('a header has no key')
    cursor += key
    const value = Math.max(0, readLength(bytes, next))
    cursor += value
    size += key + value
  }
  return size
}

/** Adds the headers that begin at the cursor and that {@link skipHeaders} has checked. */
function addHeaders(columns: Columns, bytes: Buffer, count: number): void {
  const headers = columns.headers ?? openHeaders(columns.keyOffsets.length - 1)
  columns.headers = headers
  for (let i = 0; i < count; i += 1) {
    const key = readVarint(bytes)
    addHeaderKey(headers, bytes, cursor, cursor + key)
    cursor += key
    const value = readVarint(bytes)
    addHeaderValue(headers, bytes, cursor, cursor + value)
    if (value > 0) cursor += value
  }
  columns.headerBytes = headers.keys.end + headers.values.end
}

function tableFrom(columns: Columns, { topic, partition }: Wanted): Table {
  const { rows: length } = columns
  const children: Data[] = [
    constantColumn(new Utf8(), Buffer.from(topic), length),
    makeData({ type: new Int32(), length, nullCount: 0, data: new Int32Array(length).fill(partition) }),
    makeData({ type: new Int64(), length, nullCount: 0, data: columns.offsets.numbers.subarray(0, length) }),
    makeData({
      type: new TimestampMicrosecond('UTC'),
      length,
      data: columns.timestamps.numbers.subarray(0, length),
      nullCount: columns.timestampNullCount,
      ...(columns.timestampNulls === null ? {} : { nullBitmap: columns.timestampNulls }),
    }),
    binary(length, columns.keyOffsets, columns.keys.subarray(0, columns.keyEnd), {
      count: columns.keyNullCount,
      bitmap: columns.keyNulls,
    }),
    binary(length, columns.valueOffsets, columns.values.subarray(0, columns.valueEnd), {
      count: columns.valueNullCount,
      bitmap: columns.valueNulls,
    }),
    headersColumn(columns.headers, length),
  ]
  return tableOf([batchOf(recordSchema.fields, children, length)])
}

function binary(
  length: number,
  offsets: Int32Array,
  data: Uint8Array,
  nulls: { readonly count: number; readonly bitmap: Uint8Array },
): Data {
  return makeData({
    type: new Binary(),
    length,
    valueOffsets: offsets.subarray(0, length + 1),
    data,
    nullCount: nulls.count,
    ...(nulls.count === 0 ? {} : { nullBitmap: nulls.bitmap }),
  })
}
