/** Raw records as Arrow: what every {@link RecordReader} yields, whatever log it reads. */
import { type RecordBatch, Schema } from 'apache-arrow'
import { recordColumns } from '../record.ts'
import { arrowField } from './arrow-types.ts'

/** Arrow schema of raw records: {@link recordColumns}. */
export const recordSchema: Schema = new Schema(recordColumns.map(arrowField))

/** Bytes of keys and values in a batch of records: what limits and throughput are counted in. */
export function payloadBytes(batch: RecordBatch): number {
  let bytes = 0
  batch.schema.fields.forEach((field, i) => {
    const offsets = field.name === 'key' || field.name === 'value' ? batch.data.children[i]?.valueOffsets : undefined
    if (offsets !== undefined && batch.numRows > 0) bytes += offsets[batch.numRows]! - offsets[0]!
  })
  return bytes
}
