/** Arrow's column types and ours, mapped once. */
import {
  DataType as ArrowType,
  Binary,
  Bool,
  DateDay,
  DateUnit,
  Decimal,
  Field,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  List,
  Map_,
  Precision,
  type Schema,
  Struct,
  TimestampMicrosecond,
  TimeUnit,
  Utf8,
} from 'apache-arrow'
import { MillraceError } from '../errors.ts'
import type { Column, DataType, PrimitiveType } from '../schema.ts'

/** The columns of an Arrow schema; `SCHEMA_MISMATCH` names the first that no table can hold. */
export function columnsOf(schema: Schema): Column[] {
  return schema.fields.map((field) => ({ name: field.name, type: columnType(field.type, field.name) }))
}

function columnType(type: ArrowType, name: string): DataType {
  const primitive = primitiveType(type)
  if (primitive !== null) return primitive
  if (ArrowType.isDictionary(type)) return columnType(type.dictionary, name)
  if (ArrowType.isDecimal(type)) return { kind: 'decimal', precision: type.precision, scale: type.scale }
  if (ArrowType.isList(type) || ArrowType.isFixedSizeList(type))
    return { kind: 'array', element: columnType(type.valueType, `${name}.element`) }
  if (ArrowType.isMap(type))
    return {
      kind: 'map',
      key: columnType(type.keyType, `${name}.key`),
      value: columnType(type.valueType, `${name}.value`),
    }
  if (ArrowType.isStruct(type))
    return {
      kind: 'struct',
      fields: type.children.map((field) => ({
        name: field.name,
        type: columnType(field.type, `${name}.${field.name}`),
      })),
    }
  throw new MillraceError(
    'SCHEMA_MISMATCH',
    `column ${name} has an Arrow type that no table can hold: ${type} (use signed integers, UTC microseconds, UTF-8)`,
  )
}

function primitiveType(type: ArrowType): PrimitiveType | null {
  if (ArrowType.isUtf8(type) || ArrowType.isLargeUtf8(type)) return 'string'
  if (ArrowType.isBinary(type) || ArrowType.isLargeBinary(type)) return 'binary'
  if (ArrowType.isInt(type) && type.isSigned)
    return type.bitWidth === 64 ? 'long' : type.bitWidth === 32 ? 'integer' : type.bitWidth === 16 ? 'short' : 'byte'
  if (ArrowType.isFloat(type) && type.precision !== Precision.HALF)
    return type.precision === Precision.DOUBLE ? 'double' : 'float'
  if (ArrowType.isBool(type)) return 'boolean'
  if (ArrowType.isDate(type) && type.unit === DateUnit.DAY) return 'date'
  if (ArrowType.isTimestamp(type) && type.unit === TimeUnit.MICROSECOND)
    return type.timezone ? 'timestamp' : 'timestamp_ntz'
  return null
}

const fromPrimitive: Readonly<Record<PrimitiveType, () => ArrowType>> = {
  string: () => new Utf8(),
  long: () => new Int64(),
  integer: () => new Int32(),
  short: () => new Int16(),
  byte: () => new Int8(),
  double: () => new Float64(),
  float: () => new Float32(),
  boolean: () => new Bool(),
  binary: () => new Binary(),
  date: () => new DateDay(),
  timestamp: () => new TimestampMicrosecond('UTC'),
  timestamp_ntz: () => new TimestampMicrosecond(),
}

/** The Arrow type that holds `type`. */
export function arrowType(type: DataType): ArrowType {
  if (typeof type === 'string') return fromPrimitive[type]()
  switch (type.kind) {
    case 'decimal':
      return new Decimal(type.scale, type.precision)
    case 'array':
      return new List(new Field('element', arrowType(type.element), true))
    case 'struct':
      return new Struct(type.fields.map(arrowField))
    case 'map':
      return new Map_(
        new Field(
          'entries',
          new Struct<{ key: ArrowType; value: ArrowType }>([
            new Field('key', arrowType(type.key), false),
            new Field('value', arrowType(type.value), true),
          ]),
          false,
        ),
      )
  }
}

/** The nullable Arrow field that holds a column. */
export function arrowField(column: Column): Field {
  return new Field(column.name, arrowType(column.type), true)
}
