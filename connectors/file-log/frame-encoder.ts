/** From columns of records to the bytes of one frame, each byte copied once. */
import { crc32 } from 'node:zlib'
import { MillraceError } from '../../engine/errors.ts'
import type { RecordColumns, RecordHeader } from '../records/producer-batch.ts'
import {
  type FrameLayout,
  fixedHeaderBytes,
  frameLayout,
  maxFrameBytes,
  maxProducerBytes,
  padded,
  writeHeader,
} from './frame.ts'

/** Who wrote a frame, and which of its batches it is. */
export interface ProducerStamp {
  readonly id: string
  readonly sequence: bigint
}

/**
 * A frame of the given rows, complete but for its place in a partition (see `sealFrame`). `CONFIG_INVALID` if it would
 * be larger than a frame may be.
 */
export function encodeFrame(
  columns: RecordColumns,
  rows: readonly number[],
  producer: ProducerStamp | null,
): Uint8Array {
  const headers = gatherHeaders(columns, rows)
  const sizes = {
    headerBytes: fixedHeaderBytes + padded(producerBytes(producer)),
    count: rows.length,
    keyBytes: totalBytes(columns.keys, rows),
    valueBytes: totalBytes(columns.values, rows),
    headerCount: headers.keys.length,
    headerKeyBytes: headers.keys.reduce((sum, key) => sum + key.length, 0),
    headerValueBytes: headers.values.reduce((sum, value) => sum + value.length, 0),
  }
  const layout = frameLayout(sizes)
  if (layout.end > maxFrameBytes)
    throw new MillraceError(
      'CONFIG_INVALID',
      `batch of ${rows.length} records is too large for one partition: ${layout.end} bytes, at most ${maxFrameBytes} (split it)`,
    )
  const frame = new Uint8Array(layout.end)
  const timestamps = writeTimestamps(frame, layout, columns.timestampsUs, rows)
  const keyNulls = writeBinary(frame, layout.keyValidity, layout.keyOffsets, layout.keys, columns.keys, rows)
  const valueNulls = writeBinary(frame, layout.valueValidity, layout.valueOffsets, layout.values, columns.values, rows)
  if (headers.keys.length > 0) writeHeaders(frame, layout, headers)
  writeHeader(frame, {
    ...sizes,
    frameBytes: layout.end,
    producerId: producer?.id ?? null,
    sequence: producer?.sequence ?? -1n,
    minTimestampUs: timestamps.min,
    maxTimestampUs: timestamps.max,
    keyNulls,
    valueNulls,
    bodyCrc: crc32(frame.subarray(sizes.headerBytes)),
  })
  return frame
}

function producerBytes(producer: ProducerStamp | null): number {
  if (producer === null) return 0
  const bytes = Buffer.byteLength(producer.id)
  if (bytes >= 1 && bytes <= maxProducerBytes) return bytes
  throw new MillraceError('CONFIG_INVALID', `producer id has ${bytes} bytes (give it 1 to ${maxProducerBytes})`)
}

function totalBytes(column: RecordColumns['keys'], rows: readonly number[]): number {
  let total = 0
  for (const row of rows) total += column[row]?.length ?? 0
  return total
}

function writeTimestamps(
  frame: Uint8Array,
  layout: FrameLayout,
  column: readonly bigint[],
  rows: readonly number[],
): { readonly min: bigint; readonly max: bigint } {
  const timestamps = new BigInt64Array(frame.buffer, layout.timestamps, rows.length)
  let min = column[rows[0]!]!
  let max = min
  for (let i = 0; i < rows.length; i += 1) {
    const value = column[rows[i]!]!
    timestamps[i] = value
    if (value < min) min = value
    else if (value > max) max = value
  }
  return { min, max }
}

function writeBinary(
  frame: Uint8Array,
  validityAt: number,
  offsetsAt: number,
  dataAt: number,
  column: RecordColumns['keys'],
  rows: readonly number[],
): number {
  const offsets = new Int32Array(frame.buffer, offsetsAt, rows.length + 1)
  let end = 0
  let nulls = 0
  for (let i = 0; i < rows.length; i += 1) {
    const bytes = column[rows[i]!]!
    if (bytes === null) nulls += 1
    else {
      frame.set(bytes, dataAt + end)
      end += bytes.length
      frame[validityAt + (i >> 3)]! |= 1 << (i & 7)
    }
    offsets[i + 1] = end
  }
  return nulls
}

interface HeaderColumns {
  readonly perRecord: readonly number[]
  readonly keys: readonly Uint8Array[]
  readonly values: readonly Uint8Array[]
}

function gatherHeaders(columns: RecordColumns, rows: readonly number[]): HeaderColumns {
  if (columns.headers.length === 0) return { perRecord: [], keys: [], values: [] }
  const all = rows.map((row): readonly RecordHeader[] => columns.headers[row] ?? [])
  const flat = all.flat()
  return {
    perRecord: all.map((headers) => headers.length),
    keys: flat.map(([key]) => Buffer.from(key)),
    values: flat.map(([, value]) => value ?? new Uint8Array(0)),
  }
}

function writeHeaders(frame: Uint8Array, layout: FrameLayout, headers: HeaderColumns): void {
  const offsets = new Int32Array(frame.buffer, layout.headerOffsets, headers.perRecord.length + 1)
  for (const [i, count] of headers.perRecord.entries()) offsets[i + 1] = offsets[i]! + count
  writeDense(frame, layout.headerKeyOffsets, layout.headerKeys, headers.keys)
  writeDense(frame, layout.headerValueOffsets, layout.headerValues, headers.values)
}

function writeDense(frame: Uint8Array, offsetsAt: number, dataAt: number, column: readonly Uint8Array[]): void {
  const offsets = new Int32Array(frame.buffer, offsetsAt, column.length + 1)
  for (const [i, bytes] of column.entries()) {
    frame.set(bytes, dataAt + offsets[i]!)
    offsets[i + 1] = offsets[i]! + bytes.length
  }
}
