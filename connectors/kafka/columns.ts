/** From record batches to Arrow columns, in one pass: no object is made for a record. */
import { isUtf8 } from 'node:buffer'
import {
  Binary,
  type Data,
  Int32,
  Int64,
  type List,
  makeData,
  type Struct,
  type Table,
  TimestampMicrosecond,
  Utf8,
} from 'apache-arrow'
import { batchOf, bytesColumn, constantColumn, tableOf, textColumn } from '../../engine/batch/arrow.ts'
import { recordSchema } from '../../engine/batch/record-columns.ts'
import { anyCompressed, type BatchHead, brokerTimestamp, endOffset, recordBytes } from './record-batch.ts'

/** Which records are wanted. */
export interface Wanted {
  readonly topic: string
  readonly partition: number
  readonly start: bigint
  readonly end: bigint
  /** Keys, values and headers may have so many bytes together; the first record may have more, if `first`. */
  readonly maxBytes: number
  readonly first: boolean
}

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

/** Once so much is decoded, the batches that follow wait: what a broker sends may unpack to any multiple of its size. */
const chunkBytes = 4 * 2 ** 20

/**
 * The wanted records of `heads`, which count, out of `bytes`: of the first batch, and of those after it until there is enough for
 * one table. Overwrites `bytes`: without compression, the values are moved together where they are, and the table's column of values
 * is that memory.
 */
export function decodeRecords(bytes: Buffer, heads: readonly BatchHead[], wanted: Wanted): Decoded {
  const place = `topic ${wanted.topic} partition ${wanted.partition}`
  const columns = openColumns(
    heads.reduce((sum, { count }) => sum + count, 0),
    anyCompressed(heads) ? null : bytes,
  )
  let fullAt: bigint | null = null
  let taken = 0
  for (const head of heads) {
    if (head.baseOffset >= wanted.end) taken = heads.length
    if (taken === heads.length || fullAt !== null || payloadOf(columns) >= chunkBytes) break
    taken += 1
    if (endOffset(head) <= wanted.start) continue
    const records = recordBytes(bytes, head, place)
    makeRoom(columns, records.to - records.from, heads.length)
    fullAt = readRecords(columns, head, records, wanted)
  }
  return { table: tableFrom(columns, wanted), bytes: payloadOf(columns), taken, fullAt }
}

function payloadOf({ keyEnd, valueEnd, headerBytes }: Columns): number {
  return keyEnd + valueEnd + headerBytes
}

/** Room for the values of one more batch of so many bytes; the first tells how large the others will be. */
function makeRoom(columns: Columns, bytes: number, batches: number): void {
  if (columns.isInPlace) return
  const needed = columns.valueEnd + bytes
  if (columns.values.length === 0)
    columns.values = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(bytes * batches, chunkBytes + bytes)))
  else if (needed > columns.values.length) columns.values = grown(columns.values, needed)
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

/** Sets milliseconds as microseconds: multiplied as one number, times after the year 2255 would be rounded. */
function setMicroseconds(column: Int64Halves, row: number, milliseconds: number): void {
  const high = Math.floor(milliseconds / 0x1_0000_0000)
  setInt64(column, row, high * 1000, (milliseconds - high * 0x1_0000_0000) * 1000)
}

/** Columns being filled. */
interface Columns {
  rows: number
  readonly offsets: Int64Halves
  readonly timestamps: Int64Halves
  readonly keyOffsets: Int32Array
  keys: Buffer
  keyEnd: number
  readonly keyNulls: Uint8Array
  keyNullCount: number
  readonly valueOffsets: Int32Array
  values: Buffer
  /** Whether the values are moved within the memory that they came in, where there is always room. */
  readonly isInPlace: boolean
  valueEnd: number
  readonly valueNulls: Uint8Array
  valueNullCount: number
  /** Count of headers after each row; null as long as none has any. */
  headerOffsets: Int32Array | null
  readonly headerKeys: Buffer[]
  readonly headerValues: (Buffer | null)[]
  headerBytes: number
}

function openColumns(capacity: number, values: Buffer | null): Columns {
  return {
    rows: 0,
    offsets: int64Halves(capacity),
    timestamps: int64Halves(capacity),
    keyOffsets: new Int32Array(capacity + 1),
    keys: Buffer.allocUnsafeSlow(Math.max(64, capacity * 16)),
    keyEnd: 0,
    keyNulls: new Uint8Array((capacity + 7) >> 3),
    keyNullCount: 0,
    valueOffsets: new Int32Array(capacity + 1),
    values: values ?? Buffer.alloc(0),
    isInPlace: values !== null,
    valueEnd: 0,
    valueNulls: new Uint8Array((capacity + 7) >> 3),
    valueNullCount: 0,
    headerOffsets: null,
    headerKeys: [],
    headerValues: [],
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
  for (let shift = 7; ; shift += 7) {
    byte = bytes[cursor++]!
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
  }
}

/** A zigzag number, exact to 53 bits: enough for differences of timestamps in milliseconds. */
function readVarlong(bytes: Buffer): number {
  let factor = 1
  let value = 0
  for (;;) {
    const byte = bytes[cursor++]!
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    factor *= 128
  }
}

/** Adds the wanted records of a batch; the offset of the first that does not fit, or null. */
function readRecords(
  columns: Columns,
  head: BatchHead,
  { bytes, from }: { readonly bytes: Buffer; readonly from: number },
  wanted: Wanted,
): bigint | null {
  const firstDelta = wanted.start > head.baseOffset ? Number(wanted.start - head.baseOffset) : 0
  const lastDelta = wanted.end <= endOffset(head) ? Number(wanted.end - head.baseOffset) : head.lastOffsetDelta + 1
  const stamp = brokerTimestamp(head)
  const baseHigh = Number(head.baseOffset >> 32n)
  const baseLow = Number(BigInt.asUintN(32, head.baseOffset))
  cursor = from
  for (let i = 0; i < head.count; i += 1) {
    const length = readVarint(bytes)
    const next = cursor + length
    cursor += 1 // attributes: none are in use
    const timestamp = readVarlong(bytes)
    const delta = readVarint(bytes)
    if (delta >= lastDelta) return null
    if (delta >= firstDelta) {
      const start = cursor
      const size = payloadSize(bytes)
      if (payloadOf(columns) + size > wanted.maxBytes && !(wanted.first && columns.rows === 0))
        return head.baseOffset + BigInt(delta)
      cursor = start
      addRecord(columns, bytes)
      setMicroseconds(columns.timestamps, columns.rows, stamp ?? head.baseTimestamp + timestamp)
      setInt64(columns.offsets, columns.rows, baseHigh, baseLow + delta)
      columns.rows += 1
    }
    cursor = next
  }
  return null
}

/** Bytes of the key, the value and the headers that begin at the cursor, which is moved past them. */
function payloadSize(bytes: Buffer): number {
  let size = skipBytes(bytes) + skipBytes(bytes)
  for (let parts = 2 * readVarint(bytes); parts > 0; parts -= 1) size += skipBytes(bytes)
  return size
}

function skipBytes(bytes: Buffer): number {
  const length = Math.max(0, readVarint(bytes))
  cursor += length
  return length
}

function addRecord(columns: Columns, bytes: Buffer): void {
  const row = columns.rows
  const keyLength = readVarint(bytes)
  if (keyLength < 0) columns.keyNullCount += 1
  else {
    columns.keyNulls[row >> 3]! |= 1 << (row & 7)
    if (columns.keyEnd + keyLength > columns.keys.length) columns.keys = grown(columns.keys, columns.keyEnd + keyLength)
    bytes.copy(columns.keys, columns.keyEnd, cursor, cursor + keyLength)
    columns.keyEnd += keyLength
    cursor += keyLength
  }
  columns.keyOffsets[row + 1] = columns.keyEnd
  const valueLength = readVarint(bytes)
  const valueAt = cursor
  if (valueLength > 0) cursor += valueLength
  const headers = readVarint(bytes)
  if (headers > 0) addHeaders(columns, bytes, headers)
  if (columns.headerOffsets !== null) columns.headerOffsets[row + 1] = columns.headerKeys.length
  // Last of all: where values are moved within the bytes themselves, this may overwrite what was read before it.
  if (valueLength < 0) columns.valueNullCount += 1
  else {
    columns.valueNulls[row >> 3]! |= 1 << (row & 7)
    bytes.copy(columns.values, columns.valueEnd, valueAt, valueAt + valueLength)
    columns.valueEnd += valueLength
  }
  columns.valueOffsets[row + 1] = columns.valueEnd
}

function grown(buffer: Buffer, needed: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, buffer.length * 2))
  buffer.copy(larger)
  return larger
}

/** Headers are rare: each is copied out. */
function addHeaders(columns: Columns, bytes: Buffer, count: number): void {
  columns.headerOffsets ??= new Int32Array(columns.keyOffsets.length)
  for (let i = 0; i < count; i += 1) {
    const [key, value] = [readBytes(bytes) ?? Buffer.alloc(0), readBytes(bytes)]
    columns.headerKeys.push(key)
    columns.headerValues.push(value)
    columns.headerBytes += key.length + (value?.length ?? 0)
  }
}

function readBytes(bytes: Buffer): Buffer | null {
  const length = readVarint(bytes)
  if (length < 0) return null
  cursor += length
  return Buffer.from(bytes.subarray(cursor - length, cursor))
}

const headersType = recordSchema.fields.find(({ name }) => name === 'headers')!.type as List<Struct>

function tableFrom(columns: Columns, { topic, partition }: Wanted): Table {
  const { rows: length } = columns
  const children: Data[] = [
    constantColumn(new Utf8(), Buffer.from(topic), length),
    makeData({ type: new Int32(), length, nullCount: 0, data: new Int32Array(length).fill(partition) }),
    makeData({ type: new Int64(), length, nullCount: 0, data: columns.offsets.numbers.subarray(0, length) }),
    makeData({
      type: new TimestampMicrosecond('UTC'),
      length,
      nullCount: 0,
      data: columns.timestamps.numbers.subarray(0, length),
    }),
    binary(length, columns.keyOffsets, columns.keys.subarray(0, columns.keyEnd), {
      count: columns.keyNullCount,
      bitmap: columns.keyNulls,
    }),
    binary(length, columns.valueOffsets, columns.values.subarray(0, columns.valueEnd), {
      count: columns.valueNullCount,
      bitmap: columns.valueNulls,
    }),
    headers(columns),
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

function headers({ rows: length, headerOffsets, headerKeys, headerValues }: Columns): Data {
  const valueOffsets = (headerOffsets ?? new Int32Array(length + 1)).subarray(0, length + 1)
  const texts = headerKeys.map((key) => (isUtf8(key) ? key.toString('utf8') : key.toString('latin1')))
  const children = [textColumn(new Utf8(), texts), bytesColumn(headerValues)]
  const child = makeData({ type: headersType.children[0]!.type, length: texts.length, nullCount: 0, children })
  return makeData({ type: headersType, length, nullCount: 0, valueOffsets, child })
}
