/** Headers of records as column buffers: a record may have as many as its bytes hold, so that none becomes an object. */
import { isUtf8 } from 'node:buffer'
import { Binary, type Data, type List, makeData, type Struct, Utf8 } from 'apache-arrow'
import { recordSchema } from '../../engine/batch/record-columns.ts'

/** Headers being gathered, in their order. */
export interface HeaderColumns {
  count: number
  /** Headers up to and with each record, by its row, behind a zero. */
  readonly rowEnds: Int32Array
  readonly keys: ByteColumn
  readonly values: ByteColumn
}

interface ByteColumn {
  bytes: Buffer
  end: number
  /** Where each value ends, behind a zero. */
  ends: Int32Array
  valid: Uint8Array
  nullCount: number
}

/** No headers yet, of at most `rows` records. */
export function openHeaders(rows: number): HeaderColumns {
  return { count: 0, rowEnds: new Int32Array(rows + 1), keys: byteColumn(), values: byteColumn() }
}

function byteColumn(): ByteColumn {
  return { bytes: Buffer.alloc(256), end: 0, ends: new Int32Array(65), valid: new Uint8Array(8), nullCount: 0 }
}

/** Adds a header's key, `bytes[from, to)`; its value comes next. */
export function addHeaderKey({ keys, count }: HeaderColumns, bytes: Buffer, from: number, to: number): void {
  addBytes(keys, count, bytes, from, to)
}

/** Adds the value of the header whose key was added, which is then complete; null where `to` is before `from`. */
export function addHeaderValue(headers: HeaderColumns, bytes: Buffer, from: number, to: number): void {
  addBytes(headers.values, headers.count, bytes, from, to)
  headers.count += 1
}

function addBytes(column: ByteColumn, index: number, bytes: Buffer, from: number, to: number): void {
  if (index + 1 >= column.ends.length) growEntries(column)
  if (to < from) column.nullCount += 1
  else {
    column.valid[index >> 3]! |= 1 << (index & 7)
    const end = column.end + to - from
    if (end > column.bytes.length) column.bytes = grownBytes(column.bytes, column.end, end)
    bytes.copy(column.bytes, column.end, from, to)
    column.end = end
  }
  column.ends[index + 1] = column.end
}

function growEntries(column: ByteColumn): void {
  const { ends, valid } = column
  column.ends = new Int32Array((ends.length - 1) * 2 + 1)
  column.ends.set(ends)
  column.valid = new Uint8Array(valid.length * 2)
  column.valid.set(valid)
}

/** Memory for at least `needed` bytes that begins with the first `used` of `bytes`. */
export function grownBytes(bytes: Buffer, used: number, needed: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, bytes.length * 2))
  bytes.copy(larger, 0, 0, used)
  return larger
}

const headersType = recordSchema.fields.find(({ name }) => name === 'headers')!.type as List<Struct>

/** The column of the headers of `rows` records; null: none has any. */
export function headersColumn(headers: HeaderColumns | null, rows: number): Data {
  const { count, rowEnds, keys, values } = headers ?? openHeaders(rows)
  const key = textOf(keys, count)
  const children = [
    makeData({ type: new Utf8(), length: count, nullCount: 0, valueOffsets: key.ends, data: key.bytes }) as Data,
    makeData({
      type: new Binary(),
      length: count,
      nullCount: values.nullCount,
      nullBitmap: values.valid,
      valueOffsets: values.ends.subarray(0, count + 1),
      data: values.bytes.subarray(0, values.end),
    }) as Data,
  ]
  const child = makeData({ type: headersType.children[0]!.type, length: count, nullCount: 0, children })
  return makeData({ type: headersType, length: rows, nullCount: 0, valueOffsets: rowEnds.subarray(0, rows + 1), child })
}

/** Keys as text: one that is no UTF-8 keeps its bytes as Latin-1. */
function textOf(keys: ByteColumn, count: number): { readonly bytes: Uint8Array; readonly ends: Int32Array } {
  const bytes = keys.bytes.subarray(0, keys.end)
  const ends = keys.ends.subarray(0, count + 1)
  if (isUtf8(bytes) && !splitsCharacter(bytes, ends)) return { bytes, ends }
  const texts = byteColumn()
  for (let i = 0; i < count; i += 1) {
    const key = bytes.subarray(ends[i], ends[i + 1])
    const text = isUtf8(key) ? key : Buffer.from(key.toString('latin1'))
    addBytes(texts, i, text, 0, text.length)
  }
  return { bytes: texts.bytes.subarray(0, texts.end), ends: texts.ends.subarray(0, count + 1) }
}

/** Whether a key begins inside of a character. */
function splitsCharacter(bytes: Uint8Array, ends: Int32Array): boolean {
  for (const at of ends) if (at < bytes.length && (bytes[at]! & 0xc0) === 0x80) return true
  return false
}
