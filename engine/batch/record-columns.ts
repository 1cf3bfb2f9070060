/** The columns of raw records: what every {@link RecordReader} yields, whatever log it reads. */
import {
  Binary,
  Field,
  Int32,
  Int64,
  List,
  type RecordBatch,
  Schema,
  Struct,
  TimestampMicrosecond,
  Utf8,
} from 'apache-arrow'
import { columnsOf } from './arrow-types.ts'

const header = new Struct<{ key: Utf8; value: Binary }>([
  new Field('key', new Utf8(), true),
  new Field('value', new Binary(), true),
])

/** Arrow schema of raw records: names, order and types. `timestamp` is microseconds, UTC; `value` null: a tombstone. */
export const recordSchema: Schema = new Schema([
  new Field('topic', new Utf8(), true),
  new Field('partition', new Int32(), true),
  new Field('offset', new Int64(), true),
  new Field('timestamp', new TimestampMicrosecond('UTC'), true),
  new Field('key', new Binary(), true),
  new Field('value', new Binary(), true),
  new Field('headers', new List(new Field('element', header, true)), true),
])

/** The same columns in the words of a table's schema. */
export const recordColumns = columnsOf(recordSchema)

/** Bytes of keys and values in a batch of records: what limits and throughput are counted in. */
export function payloadBytes(batch: RecordBatch): number {
  let bytes = 0
  batch.schema.fields.forEach((field, i) => {
    const offsets = field.name === 'key' || field.name === 'value' ? batch.data.children[i]?.valueOffsets : undefined
    if (offsets !== undefined && batch.numRows > 0) bytes += offsets[batch.numRows]! - offsets[0]!
  })
  return bytes
}
