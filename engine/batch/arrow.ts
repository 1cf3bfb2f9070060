/** Building and cutting Arrow tables by column buffers: no value becomes a JavaScript object. */
import {
  Table as ArrowTable,
  DataType as ArrowType,
  Binary,
  type Data,
  type Field,
  makeData,
  RecordBatch,
  Schema,
  Struct,
} from 'apache-arrow'
import { MillraceError } from '../errors.ts'

/** Spans of rows `[start, end)`, flattened: start, end, start, end, ... in ascending order. */
export type Runs = readonly number[]

/** A batch of the given columns, all of `rows` rows. */
export function batchOf(fields: readonly Field[], columns: readonly Data[], rows: number): RecordBatch {
  const type = new Struct([...fields])
  return new RecordBatch(
    new Schema([...fields]),
    makeData({ type, length: rows, nullCount: 0, children: [...columns] }) as Data<Struct>,
  )
}

/** The batch with further columns after its own. */
export function appendColumns(batch: RecordBatch, fields: readonly Field[], columns: readonly Data[]): RecordBatch {
  return batchOf([...batch.schema.fields, ...fields], [...batch.data.children, ...columns], batch.numRows)
}

/** A table of batches that share a schema; at least one. */
export function tableOf(batches: readonly RecordBatch[]): ArrowTable {
  return new ArrowTable([...batches])
}

/** A batch of these columns without rows. */
export function emptyBatch(fields: readonly Field[]): RecordBatch {
  return batchOf(
    fields,
    fields.map((field) => nullColumn(field.type, 0)),
    0,
  )
}

/** A column of nulls. */
export function nullColumn(type: ArrowType, rows: number): Data {
  const nulls = { type, length: rows, nullCount: rows, nullBitmap: new Uint8Array((rows + 7) >> 3) }
  const make = (rest: object) => makeData({ ...nulls, ...rest } as Parameters<typeof makeData>[0]) as Data
  if (ArrowType.isStruct(type)) return make({ children: type.children.map((field) => nullColumn(field.type, rows)) })
  if (ArrowType.isFixedSizeList(type)) return make({ child: nullColumn(type.valueType, rows * type.listSize) })
  const valueOffsets = new Int32Array(rows + 1)
  if (ArrowType.isList(type) || ArrowType.isMap(type))
    return make({ valueOffsets, child: nullColumn(type.children[0]!.type, 0) })
  if (ArrowType.isUtf8(type) || ArrowType.isBinary(type)) return make({ valueOffsets, data: new Uint8Array(0) })
  const { stride } = makeData({ type, length: 0 } as Parameters<typeof makeData>[0]) as Data
  return make({ data: new (type.ArrayType as new (length: number) => Uint8Array)(rows * stride) })
}

/** The column with the same value in every row. Text or bytes. */
export function constantColumn(type: ArrowType, value: Uint8Array, rows: number): Data {
  const data = new Uint8Array(value.length * rows)
  const valueOffsets = new Int32Array(rows + 1)
  for (let row = 0; row < rows; row++) valueOffsets[row + 1] = (row + 1) * value.length
  if (rows > 0) data.set(value)
  for (let done = value.length; done > 0 && done < data.length; done *= 2) data.copyWithin(done, 0, done)
  return makeData({ type, length: rows, nullCount: 0, valueOffsets, data } as Parameters<typeof makeData>[0]) as Data
}

/** A text column of the given values. */
export function textColumn(type: ArrowType, values: readonly string[]): Data {
  const valueOffsets = new Int32Array(values.length + 1)
  const parts = values.map((value) => Buffer.from(value))
  parts.forEach((part, i) => {
    valueOffsets[i + 1] = valueOffsets[i]! + part.length
  })
  const options = { type, length: values.length, nullCount: 0, valueOffsets, data: Buffer.concat(parts) }
  return makeData(options as Parameters<typeof makeData>[0]) as Data
}

/** A column of the given bytes; null where there are none. */
export function bytesColumn(values: readonly (Uint8Array | null)[]): Data {
  const valueOffsets = new Int32Array(values.length + 1)
  const nullBitmap = new Uint8Array((values.length + 7) >> 3)
  let nullCount = 0
  values.forEach((value, row) => {
    valueOffsets[row + 1] = valueOffsets[row]! + (value?.length ?? 0)
    if (value === null) nullCount += 1
    else nullBitmap[row >> 3]! |= 1 << (row & 7)
  })
  const data = Buffer.concat(values.map((value) => value ?? new Uint8Array(0)))
  return makeData({ type: new Binary(), length: values.length, nullCount, nullBitmap, valueOffsets, data }) as Data
}

/** Rows in the given order of ascending row numbers, as runs. */
export function runsOf(rows: readonly number[]): Runs {
  const runs: number[] = []
  for (const row of rows)
    if (runs.length > 0 && runs.at(-1) === row) runs[runs.length - 1] = row + 1
    else runs.push(row, row + 1)
  return runs
}

/** What `runs` leave out of `rows` rows. */
export function complement(runs: Runs, rows: number): Runs {
  const rest: number[] = []
  let from = 0
  for (let i = 0; i < runs.length; i += 2) {
    if (runs[i]! > from) rest.push(from, runs[i]!)
    from = runs[i + 1]!
  }
  if (from < rows) rest.push(from, rows)
  return rest
}

/** Rows in all runs together. */
export function runLength(runs: Runs): number {
  let rows = 0
  for (let i = 0; i < runs.length; i += 2) rows += runs[i + 1]! - runs[i]!
  return rows
}

/** The rows of a batch in `runs`, copied; the batch itself when that is all of them. */
export function takeBatch(batch: RecordBatch, runs: Runs): RecordBatch {
  const rows = runLength(runs)
  if (rows === batch.numRows) return batch
  return batchOf(
    batch.schema.fields,
    batch.data.children.map((column) => takeColumn(column, runs)),
    rows,
  )
}

/** The rows of a column in `runs`, copied. */
export function takeColumn(column: Data, runs: Runs): Data {
  const rows = runLength(runs)
  const { type, values, valueOffsets } = column
  const bitmap = column.nullCount > 0 ? takeBits(column.nullBitmap!, column.offset, runs, rows) : undefined
  const nullCount = bitmap === undefined ? 0 : rows - countBits(bitmap, rows)
  const finish = (offsets: Values | undefined, data: Values | undefined, children: Data[]): Data =>
    column.clone(type, 0, rows, nullCount, buffers(offsets, data, bitmap), children)

  if (ArrowType.isStruct(type))
    return finish(
      undefined,
      undefined,
      column.children.map((child) => takeColumn(child, runs)),
    )
  if (ArrowType.isFixedSizeList(type)) {
    const scaled = runs.map((row) => row * type.listSize)
    return finish(
      undefined,
      undefined,
      column.children.map((child) => takeColumn(child, scaled)),
    )
  }
  if (ArrowType.isBool(type)) return finish(undefined, takeBits(values, column.offset, runs, rows), [])
  if (valueOffsets === undefined) return finish(undefined, takeFixed(values, column.stride, runs, rows), [])
  if (!(valueOffsets instanceof Int32Array) || ArrowType.isUnion(type))
    throw new MillraceError('SCHEMA_MISMATCH', `rows of Arrow type ${type} cannot be picked (cast the column first)`)
  const { offsets, inner } = takeOffsets(valueOffsets, runs, rows)
  if (ArrowType.isList(type) || ArrowType.isMap(type))
    return finish(
      offsets,
      undefined,
      column.children.map((child) => takeColumn(child, inner)),
    )
  return finish(offsets, takeFixed(values, 1, inner, offsets[rows]!), [])
}

/** Any of Arrow's typed arrays; what is done here is the same for all of them. */
type Values = Uint8Array | Int32Array

/** Arrow's buffers by their place: offsets, data, validity. */
function buffers(offsets: Values | undefined, data: Values | undefined, validity: Uint8Array | undefined) {
  return [offsets, data, validity] as unknown as Data['buffers']
}

function sameArray<T extends Values>(array: T, length: number): T {
  return new (array.constructor as new (length: number) => T)(length)
}

function takeFixed(values: Uint8Array, stride: number, runs: Runs, rows: number): Uint8Array {
  const taken = sameArray(values, rows * stride)
  let at = 0
  for (let i = 0; i < runs.length; i += 2) {
    const part = values.subarray(runs[i]! * stride, runs[i + 1]! * stride)
    taken.set(part, at)
    at += part.length
  }
  return taken
}

/** New offsets, and the runs of what they point to. */
function takeOffsets(from: Int32Array, runs: Runs, rows: number): { offsets: Int32Array; inner: Runs } {
  const offsets = new Int32Array(rows + 1)
  const inner: number[] = []
  let row = 0
  for (let i = 0; i < runs.length; i += 2) {
    const [start, end] = [runs[i]!, runs[i + 1]!]
    const shift = offsets[row]! - from[start]!
    for (let source = start; source < end; source++) offsets[++row] = from[source + 1]! + shift
    inner.push(from[start]!, from[end]!)
  }
  return { offsets, inner }
}

function takeBits(bits: Uint8Array, offset: number, runs: Runs, rows: number): Uint8Array {
  const taken = new Uint8Array((rows + 7) >> 3)
  let to = 0
  for (let i = 0; i < runs.length; i += 2)
    for (let from = offset + runs[i]!; from < offset + runs[i + 1]!; from++, to++)
      if ((bits[from >> 3]! >> (from & 7)) & 1) taken[to >> 3]! |= 1 << (to & 7)
  return taken
}

function countBits(bits: Uint8Array, rows: number): number {
  let count = 0
  for (let i = 0; i < rows; i++) count += (bits[i >> 3]! >> (i & 7)) & 1
  return count
}
