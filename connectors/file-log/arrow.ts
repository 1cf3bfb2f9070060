/** From frames to Arrow: a whole frame becomes a table without copying its data; parts and small frames are joined. */
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
import { batchOf, constantColumn, tableOf } from '../../engine/batch/arrow.ts'
import { recordSchema } from '../../engine/batch/record-columns.ts'
import { type FrameHeader, frameLayout } from './frame.ts'

/** Records `[from, to)` of one frame, counted from its first. */
export interface FrameSlice {
  readonly frame: FrameColumns
  readonly from: number
  readonly to: number
}

/** A frame's sections as views of its bytes. */
export interface FrameColumns {
  readonly header: FrameHeader
  readonly timestamps: BigInt64Array
  readonly keys: BinarySection
  readonly values: BinarySection
  /** Null if no record has headers. */
  readonly headers: {
    readonly offsets: Int32Array
    readonly keys: BinarySection
    readonly values: BinarySection
  } | null
}

/** Buffers of a binary column as a frame holds them. */
export interface BinarySection {
  /** Null if nothing is null. */
  readonly validity: Uint8Array | null
  readonly offsets: Int32Array
  readonly data: Uint8Array
}

const headersType = recordSchema.fields.find(({ name }) => name === 'headers')!.type as List<Struct>

/** Views of a frame that begins at `at` of `bytes`, a multiple of 8. */
export function frameColumns(bytes: Uint8Array, at: number, header: FrameHeader): FrameColumns {
  const layout = frameLayout(header)
  const { count, headerCount } = header
  const origin = bytes.byteOffset + at
  const offsets = (position: number, entries: number) => new Int32Array(bytes.buffer, origin + position, entries + 1)
  const data = (position: number, length: number) => bytes.subarray(at + position, at + position + length)
  const validity = (position: number, nulls: number) => (nulls === 0 ? null : data(position, Math.ceil(count / 8)))
  return {
    header,
    timestamps: new BigInt64Array(bytes.buffer, origin + layout.timestamps, count),
    keys: {
      validity: validity(layout.keyValidity, header.keyNulls),
      offsets: offsets(layout.keyOffsets, count),
      data: data(layout.keys, header.keyBytes),
    },
    values: {
      validity: validity(layout.valueValidity, header.valueNulls),
      offsets: offsets(layout.valueOffsets, count),
      data: data(layout.values, header.valueBytes),
    },
    headers:
      headerCount === 0
        ? null
        : {
            offsets: offsets(layout.headerOffsets, count),
            keys: {
              validity: null,
              offsets: offsets(layout.headerKeyOffsets, headerCount),
              data: data(layout.headerKeys, header.headerKeyBytes),
            },
            values: {
              validity: null,
              offsets: offsets(layout.headerValueOffsets, headerCount),
              data: data(layout.headerValues, header.headerValueBytes),
            },
          },
  }
}

/** One table, of one record batch, with the records of consecutive slices of one partition. It shares memory with a single slice, and with none of several. */
export function recordTable(topic: string, partition: number, slices: readonly FrameSlice[]): Table {
  const length = slices.reduce((sum, { from, to }) => sum + to - from, 0)
  const first = slices[0]!
  const children: Data[] = [
    constantColumn(new Utf8(), Buffer.from(topic), length),
    makeData({ type: new Int32(), length, nullCount: 0, data: new Int32Array(length).fill(partition) }),
    offsetData(first.frame.header.base + BigInt(first.from), length),
    timestampData(slices, length),
    binaryData(
      new Binary(),
      slices.map(({ frame, from, to }) => ({ section: frame.keys, from, to })),
    ),
    binaryData(
      new Binary(),
      slices.map(({ frame, from, to }) => ({ section: frame.values, from, to })),
    ),
    headersData(slices, length),
  ]
  return tableOf([batchOf(recordSchema.fields, children, length)])
}

/** Counted in 32-bit halves: a bigint per record would cost more than all else. */
function offsetData(base: bigint, length: number): Data<Int64> {
  const offsets = new BigInt64Array(length)
  const halves = new Uint32Array(offsets.buffer)
  let low = Number(BigInt.asUintN(32, base))
  let high = Number(BigInt.asUintN(32, base >> 32n))
  for (let i = 0; i < length; i += 1) {
    halves[2 * i] = low
    halves[2 * i + 1] = high
    low += 1
    if (low > 0xffffffff) {
      low = 0
      high += 1
    }
  }
  return makeData({ type: new Int64(), length, nullCount: 0, data: offsets })
}

function timestampData(slices: readonly FrameSlice[], length: number): Data<TimestampMicrosecond> {
  const type = new TimestampMicrosecond('UTC')
  const only = slices[0]!
  if (slices.length === 1)
    return makeData({ type, length, nullCount: 0, data: only.frame.timestamps.subarray(only.from, only.to) })
  const data = new BigInt64Array(length)
  let at = 0
  for (const { frame, from, to } of slices) {
    data.set(frame.timestamps.subarray(from, to), at)
    at += to - from
  }
  return makeData({ type, length, nullCount: 0, data })
}

interface SectionSlice {
  readonly section: BinarySection
  readonly from: number
  readonly to: number
}

function binaryData<T extends Binary | Utf8>(
  type: T,
  slices: readonly SectionSlice[],
  mayShare = slices.length === 1,
): Data<T> {
  const length = slices.reduce((sum, { from, to }) => sum + to - from, 0)
  const { valueOffsets, data } = joinedBytes(slices, length, mayShare)
  const { nullBitmap, nullCount } = joinedValidity(slices, length)
  const nulls = nullBitmap === null ? { nullCount: 0 } : { nullCount, nullBitmap }
  // The two types have the same buffers; the compiler cannot see it through the type parameter.
  return makeData({ type: type as Binary, length, valueOffsets, data, ...nulls }) as unknown as Data<T>
}

function joinedBytes(
  slices: readonly SectionSlice[],
  length: number,
  mayShare: boolean,
): { readonly valueOffsets: Int32Array; readonly data: Uint8Array } {
  const only = slices[0]
  if (mayShare && only !== undefined && only.from === 0)
    return {
      valueOffsets: only.section.offsets.subarray(0, only.to + 1),
      data: only.section.data.subarray(0, only.section.offsets[only.to]),
    }
  const bytes = slices.reduce((sum, { section, from, to }) => sum + section.offsets[to]! - section.offsets[from]!, 0)
  const valueOffsets = new Int32Array(length + 1)
  const data = new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
  let row = 0
  let end = 0
  for (const { section, from, to } of slices) {
    const { offsets } = section
    const shift = end - offsets[from]!
    for (let i = from + 1; i <= to; i += 1) valueOffsets[++row] = offsets[i]! + shift
    data.set(section.data.subarray(offsets[from]!, offsets[to]!), end)
    end = valueOffsets[row]!
  }
  return { valueOffsets, data }
}

function joinedValidity(
  slices: readonly SectionSlice[],
  length: number,
): { readonly nullBitmap: Uint8Array | null; readonly nullCount: number } {
  if (slices.every(({ section }) => section.validity === null)) return { nullBitmap: null, nullCount: 0 }
  const nullBitmap = new Uint8Array(Math.ceil(length / 8))
  let row = 0
  let valid = 0
  for (const { section, from, to } of slices) {
    for (let i = from; i < to; i += 1, row += 1) {
      if (section.validity !== null && (section.validity[i >> 3]! & (1 << (i & 7))) === 0) continue
      nullBitmap[row >> 3]! |= 1 << (row & 7)
      valid += 1
    }
  }
  return { nullBitmap, nullCount: length - valid }
}

function headersData(slices: readonly FrameSlice[], length: number): Data<List<Struct>> {
  const mayShare = slices.length === 1 // of several frames one alone may have headers
  const valueOffsets = new Int32Array(length + 1)
  const keys: SectionSlice[] = []
  const values: SectionSlice[] = []
  let row = 0
  let entries = 0
  for (const { frame, from, to } of slices) {
    const { headers } = frame
    if (headers === null) {
      valueOffsets.fill(entries, row + 1, row + 1 + to - from)
      row += to - from
      continue
    }
    const { offsets } = headers
    const [first, last] = [offsets[from]!, offsets[to]!]
    for (let i = from + 1; i <= to; i += 1) valueOffsets[++row] = entries + offsets[i]! - first
    keys.push({ section: headers.keys, from: first, to: last })
    values.push({ section: headers.values, from: first, to: last })
    entries += last - first
  }
  const children = [binaryData(new Utf8(), keys, mayShare), binaryData(new Binary(), values, mayShare)]
  const child = makeData({ type: headersType.children[0]!.type, length: entries, nullCount: 0, children })
  return makeData({ type: headersType, length, nullCount: 0, valueOffsets, child })
}
