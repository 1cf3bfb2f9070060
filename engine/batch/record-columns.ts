/** Raw records as Arrow: what every {@link RecordReader} yields, whatever log it reads. */
import { type Data, type RecordBatch, Schema } from 'apache-arrow'
import { recordColumns } from '../record.ts'
import { arrowField } from './arrow-types.ts'

/** Arrow schema of raw records: {@link recordColumns}. */
export const recordSchema: Schema = new Schema(recordColumns.map(arrowField))

/** Bytes of keys, values and headers in a batch of records: what limits and throughput are counted in. */
export function payloadBytes(batch: RecordBatch): number {
  let bytes = 0
  batch.schema.fields.forEach(({ name }, i) => {
    if (name === 'key' || name === 'value' || name === 'headers')
      bytes += bytesIn(batch.data.children[i]!, 0, batch.numRows)
  })
  return bytes
}

/** Bytes of the texts and binaries in rows `[from, to)` of a column, also of those inside lists and structs. */
function bytesIn({ valueOffsets, children }: Data, from: number, to: number): number {
  if (from >= to) return 0
  if (valueOffsets === undefined) return children.reduce((sum, child) => sum + bytesIn(child, from, to), 0)
  const [first, last] = [valueOffsets[from]!, valueOffsets[to]!]
  if (children.length === 0) return last - first
  return children.reduce((sum, child) => sum + bytesIn(child, first, last), 0)
}
