/** Records as plain values, for sources that hold few of them. */
import { type Table as ArrowTable, type Data, Int32, Int64, makeData, TimestampMicrosecond, Utf8 } from 'apache-arrow'
import { batchOf, bytesColumn, tableOf, textColumn } from './arrow.ts'
import { recordSchema } from './record-columns.ts'

/** One record as plain values. */
export interface PlainRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly timestampMicros: bigint
  readonly key: Uint8Array | null
  /** Null: a tombstone. */
  readonly value: Uint8Array | null
  readonly headers?: readonly { readonly key: string; readonly value: Uint8Array | null }[]
}

/** A table of one batch with the record columns. An object per record: not for the path of large batches. */
export function recordTable(records: readonly PlainRecord[]): ArrowTable {
  const rows = records.length
  const fixed = (type: Int32 | Int64 | TimestampMicrosecond, data: Int32Array | BigInt64Array): Data =>
    makeData({ type, length: rows, nullCount: 0, data } as Parameters<typeof makeData>[0]) as Data
  const columns = [
    textColumn(
      new Utf8(),
      records.map(({ topic }) => topic),
    ),
    fixed(
      new Int32(),
      Int32Array.from(records, ({ partition }) => partition),
    ),
    fixed(
      new Int64(),
      BigInt64Array.from(records, ({ offset }) => offset),
    ),
    fixed(
      new TimestampMicrosecond('UTC'),
      BigInt64Array.from(records, ({ timestampMicros }) => timestampMicros),
    ),
    bytesColumn(records.map(({ key }) => key)),
    bytesColumn(records.map(({ value }) => value)),
    headersColumn(records),
  ]
  return tableOf([batchOf(recordSchema.fields, columns, rows)])
}

function headersColumn(records: readonly PlainRecord[]): Data {
  const { type } = recordSchema.fields.find(({ name }) => name === 'headers')!
  const headers = records.flatMap((record) => record.headers ?? [])
  const children = [
    textColumn(
      new Utf8(),
      headers.map(({ key }) => key),
    ),
    bytesColumn(headers.map(({ value }) => value)),
  ]
  const header = { type: type.children[0]!.type, length: headers.length, nullCount: 0, children }
  const child = makeData(header as Parameters<typeof makeData>[0])
  const valueOffsets = new Int32Array(records.length + 1)
  records.forEach((record, row) => {
    valueOffsets[row + 1] = valueOffsets[row]! + (record.headers?.length ?? 0)
  })
  const options = { type, length: records.length, nullCount: 0, valueOffsets, child }
  return makeData(options as Parameters<typeof makeData>[0]) as Data
}
