/** From columns of records to one record batch (Kafka implementation guide, "Record Batch", magic 2). */
import { type CompressionAlgorithmValue, compressionsAlgorithms } from '@platformatic/kafka'
import type { RecordColumns, RecordHeader } from '../records/producer-batch.ts'
import { crc32c } from './checksum.ts'
import { headBytes, transactional } from './record-batch.ts'

/** Who sends a batch; a broker that has it already does not take it twice. */
export interface BatchStamp {
  readonly producerId: bigint
  readonly producerEpoch: number
  /** Number of the batch's first record among those that the producer sent to the partition. */
  readonly sequence: number
  readonly transactional: boolean
  readonly compression: CompressionAlgorithmValue
}

const magic = 2

/** Most bytes that a record may need beside key, value and headers. */
const recordOverhead = 1 + 5 + 10 + 5 + 5 + 5 + 5

/** At least the bytes of a row in a batch, before compression. */
export function encodedBytes(columns: RecordColumns, row: number): number {
  const headers = columns.headers[row] ?? []
  const payload = (columns.keys[row]?.length ?? 0) + (columns.values[row]?.length ?? 0)
  return headers.reduce((sum, header) => sum + headerBytes(header), recordOverhead + payload)
}

/** A key may be of up to three bytes a character. */
function headerBytes([key, value]: RecordHeader): number {
  return 10 + key.length * 3 + (value?.length ?? 0)
}

/** The batch of the given rows, at least one. Timestamps are cut to milliseconds, which is all that the format holds. */
export function encodeBatch(columns: RecordColumns, rows: readonly number[], stamp: BatchStamp): Buffer {
  const timestamps = rows.map((row) => Number(columns.timestampsUs[row]! / 1000n))
  const base = timestamps[0]!
  const records = encodeRecords(columns, rows, timestamps)
  const algorithm = compressionsAlgorithms[stamp.compression]
  const packed = stamp.compression === 'none' ? records : algorithm.compressSync(records)
  const batch = Buffer.allocUnsafe(headBytes + packed.length)
  batch.writeBigInt64BE(0n, 0) // base offset: for the broker to give
  batch.writeInt32BE(batch.length - 12, 8)
  batch.writeInt32BE(-1, 12) // leader epoch
  batch.writeInt8(magic, 16)
  batch.writeInt16BE((stamp.transactional ? transactional : 0) | algorithm.bitmask, 21)
  batch.writeInt32BE(rows.length - 1, 23)
  batch.writeBigInt64BE(BigInt(base), 27)
  batch.writeBigInt64BE(BigInt(timestamps.reduce((most, each) => Math.max(most, each))), 35)
  batch.writeBigInt64BE(stamp.producerId, 43)
  batch.writeInt16BE(stamp.producerEpoch, 51)
  batch.writeInt32BE(stamp.sequence, 53)
  batch.writeInt32BE(rows.length, 57)
  batch.set(packed, headBytes)
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}

/** Where the next byte is written. */
let cursor = 0

function encodeRecords(columns: RecordColumns, rows: readonly number[], timestamps: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(rows.reduce((sum, row) => sum + encodedBytes(columns, row), 0))
  cursor = 0
  rows.forEach((row, i) => {
    const delta = timestamps[i]! - timestamps[0]!
    const start = cursor + 5 // as long as a record's length may be; closed up below
    const from = cursor
    cursor = start
    writeRecord(bytes, columns, { row, delta, index: i })
    const length = cursor - start
    cursor = from
    writeVarint(bytes, length)
    bytes.copyWithin(cursor, start, start + length)
    cursor += length
  })
  return bytes.subarray(0, cursor)
}

function writeRecord(
  bytes: Buffer,
  columns: RecordColumns,
  { row, delta, index }: { readonly row: number; readonly delta: number; readonly index: number },
): void {
  bytes[cursor++] = 0 // attributes: none are in use
  writeVarint(bytes, delta)
  writeVarint(bytes, index)
  writeBytes(bytes, columns.keys[row] ?? null)
  writeBytes(bytes, columns.values[row] ?? null)
  const headers = columns.headers[row] ?? []
  writeVarint(bytes, headers.length)
  for (const [key, value] of headers) {
    writeBytes(bytes, Buffer.from(key))
    writeBytes(bytes, value)
  }
}

function writeBytes(bytes: Buffer, value: Uint8Array | null): void {
  writeVarint(bytes, value?.length ?? -1)
  if (value === null) return
  bytes.set(value, cursor)
  cursor += value.length
}

/** Zigzag, exact to 53 bits. */
function writeVarint(bytes: Buffer, value: number): void {
  let rest = value < 0 ? -2 * value - 1 : 2 * value
  while (rest >= 0x80) {
    bytes[cursor++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  bytes[cursor++] = rest
}
