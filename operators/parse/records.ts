/** What parsing looks at in a batch of records: buffers, by record number. */
import { isUtf8 } from 'node:buffer'
import type { Data, RecordBatch } from 'apache-arrow'
import { MillraceError } from '../../engine/errors.ts'
import { firstTimeHeader, firstTimeMicros } from '../../engine/first-time.ts'

/** The columns of a record table that parsing needs, as raw buffers. */
export interface Records {
  /** All values together; {@link Records.offsets} cuts them. */
  readonly bytes: Buffer
  readonly offsets: Int32Array
  /** Whether all values together are UTF-8: then so is each that begins and ends with ASCII, as every object does. */
  readonly allUtf8: boolean
  isTombstone(record: number): boolean
  key(record: number): Buffer | null
  /** Microseconds since 1970: of a record that was sent again, when it first was. */
  timestamp(record: number): bigint | null
}

/** The buffers of a batch; `STEP_FAILED` if it has no values, or a column of a field's name already. */
export function recordsOf(batch: RecordBatch, stepId: string, fieldNames: readonly string[]): Records {
  const column = (name: string): Data | undefined =>
    batch.data.children[batch.schema.fields.findIndex((field) => field.name === name)]
  const values = column('value')
  const clash = fieldNames.find((name) => column(name) !== undefined)
  if (values === undefined || !(values.valueOffsets instanceof Int32Array) || clash !== undefined)
    throw new MillraceError(
      'STEP_FAILED',
      clash === undefined
        ? `step ${stepId} reads a value column of bytes, which its input does not have (put it behind a source of records)`
        : `step ${stepId} would add column ${clash}, which its input has already (rename the field)`,
    )
  const keys = column('key')
  const timestamps = column('timestamp')
  const headers = column('headers')
  const bytes = bufferOf(values)
  const offsets: Int32Array = values.valueOffsets
  return {
    bytes,
    offsets,
    allUtf8: isUtf8(bytes.subarray(offsets[0], offsets[batch.numRows])),
    isTombstone: values.nullCount === 0 ? () => false : (record) => !values.getValid(record),
    key: (record) => (keys === undefined || !keys.getValid(record) ? null : cell(keys, record)),
    timestamp: (record) =>
      firstTime(headers, record) ??
      (timestamps === undefined || !timestamps.getValid(record) ? null : (timestamps.values[record] as bigint)),
  }
}

/** What the header of a record that was sent again says; null for all others. */
function firstTime(headers: Data | undefined, record: number): bigint | null {
  if (headers?.valueOffsets === undefined || !headers.getValid(record)) return null
  const [keys, values] = headers.children[0]!.children
  for (let i = headers.valueOffsets[record]!; i < headers.valueOffsets[record + 1]!; i += 1)
    if (cell(keys!, i).toString() === firstTimeHeader) return firstTimeMicros(cell(values!, i))
  return null
}

function bufferOf(column: Data): Buffer {
  const values = column.values as Uint8Array | undefined
  return values === undefined
    ? Buffer.alloc(0)
    : Buffer.from(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength)
}

function cell(column: Data, row: number): Buffer {
  return bufferOf(column).subarray(column.valueOffsets[row], column.valueOffsets[row + 1])
}
