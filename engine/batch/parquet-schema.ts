/** How Arrow columns are stored in Parquet: names inside lists, nullability, and which columns get a dictionary. */
import {
  DataType as ArrowType,
  type Data,
  Field,
  FixedSizeList,
  List,
  Map_,
  makeData,
  RecordBatch,
  Schema,
  Struct,
} from 'apache-arrow'

/** The schema as stored: every column nullable, list elements named `element` (Parquet format, "Lists"). */
export function storedSchema(schema: Schema): Schema {
  return new Schema(schema.fields.map((field) => new Field(field.name, storedType(field.type), true)))
}

function storedType(type: ArrowType): ArrowType {
  if (ArrowType.isList(type)) return new List(new Field('element', storedType(type.valueType), true))
  if (ArrowType.isFixedSizeList(type))
    return new FixedSizeList(type.listSize, new Field('element', storedType(type.valueType), true))
  if (ArrowType.isStruct(type))
    return new Struct(type.children.map((field) => new Field(field.name, storedType(field.type), true)))
  if (ArrowType.isMap(type)) return storedMap(type)
  return type
}

function storedMap(type: Map_): ArrowType {
  const entry = new Struct<{ key: ArrowType; value: ArrowType }>([
    new Field('key', storedType(type.keyType), false),
    new Field('value', storedType(type.valueType), true),
  ])
  return new Map_(new Field('key_value', entry, false), type.keysSorted)
}

/** The batch under its stored schema; buffers are shared. */
export function asWritten(batch: RecordBatch, stored: Schema): RecordBatch {
  const type = new Struct(stored.fields)
  const children = batch.data.children.map((column, i) => retype(column, stored.fields[i]!.type))
  return new RecordBatch(stored, makeData({ type, length: batch.numRows, nullCount: 0, children }) as Data<Struct>)
}

function retype(column: Data, type: ArrowType): Data {
  if (column.children.length === 0) return column
  const children = column.children.map((child, i) => retype(child, type.children![i]!.type))
  return column.clone(type, column.offset, column.length, column.nullCount, column.buffers, children)
}

const sampleRows = 256
const fewTexts = 32

/** Text columns whose first rows hold few distinct values: topics, labels, step ids. */
export function dictionaryColumns(batch: RecordBatch): string[] {
  if (batch.numRows < fewTexts * 2) return []
  return batch.schema.fields
    .filter((field, i) => ArrowType.isUtf8(field.type) && hasFewTexts(batch.data.children[i]!))
    .map((field) => field.name)
}

function hasFewTexts(column: Data): boolean {
  const rows = Math.min(column.length, sampleRows)
  const seen = new Set<string>()
  for (let row = 0; row < rows; row++) {
    const bytes = column.values.subarray(column.valueOffsets[row], column.valueOffsets[row + 1]) as Uint8Array
    seen.add(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))
  }
  return seen.size <= fewTexts
}
