/** The fields that a parse step takes out of a document: makers for definitions, plain JSON as result. */
import {
  text as aText,
  choiceOf,
  examine,
  flag,
  isObject,
  listOf,
  objectOf,
  oneOfTexts,
  optional,
  type Shape,
  shapeOf,
} from '../../engine/shape.ts'
import { parseTimestamp } from './timestamp.ts'

/** What a critical field can be. */
export type FieldType = 'int64' | 'text' | 'one-of' | 'timestamp' | 'float64' | 'boolean'

/** What a field is when the record's value is null, that is, when the record is a tombstone. */
export type TombstoneValue =
  | { readonly kind: 'record-key' }
  | { readonly kind: 'record-timestamp' }
  | { readonly kind: 'constant'; readonly value: string | null }

/** A field as a definition holds it. */
export interface Field {
  readonly type: FieldType
  readonly path: string
  /** Missing and JSON null read as null instead of rejecting the record. */
  readonly optional?: true
  readonly tombstone?: TombstoneValue
  /** What is wrong with it; the definition that uses it is refused. */
  readonly problem?: string
  /** Of a `one-of`. */
  readonly values?: readonly string[]
  /** Of a timestamp that is a number: seconds or milliseconds since 1970. Without it: ISO 8601 text with a zone. */
  readonly unit?: 's' | 'ms'
}

/** With the name of its column. */
export type NamedField = Field & { readonly name: string }

export interface FieldOptions {
  readonly optional?: true
  readonly tombstone?: TombstoneValue
}

/** A whole number in 64 bits, exact; no fraction, no exponent. */
export function int64(path: string, options: FieldOptions = {}): Field {
  return field('int64', { path, options })
}

/** A JSON string. */
export function text(path: string, options: FieldOptions = {}): Field {
  return field('text', { path, options })
}

/** A JSON string that is one of `values`, compared exactly. */
export function oneOf(path: string, values: readonly string[], options: FieldOptions = {}): Field {
  return field('one-of', { path, values, options })
}

/**
 * A point in time, kept in UTC microseconds (finer fractions are cut off): ISO 8601 text with `Z` or an offset, or
 * with `unit` a number of seconds or milliseconds since 1970.
 */
export function timestamp(path: string, options: FieldOptions & { readonly unit?: 's' | 'ms' } = {}): Field {
  return field('timestamp', { path, options })
}

/** A JSON number as the nearest double; refused where that would be infinite. */
export function float64(path: string, options: FieldOptions = {}): Field {
  return field('float64', { path, options })
}

/** `true` or `false`, nothing that stands for them. */
export function boolean(path: string, options: FieldOptions = {}): Field {
  return field('boolean', { path, options })
}

/** The record's key as text, read as the field's type. */
export function recordKey(): TombstoneValue {
  return { kind: 'record-key' }
}

/** The record's own timestamp; for timestamp fields. */
export function recordTimestamp(): TombstoneValue {
  return { kind: 'record-timestamp' }
}

/** Always this value; a timestamp is given as ISO 8601 text. Null only for optional fields. */
export function constant(value: string | number | bigint | boolean | null): TombstoneValue {
  const isScalar = ['string', 'number', 'bigint', 'boolean'].includes(typeof value)
  // the field that it is for is refused with anything else
  return { kind: 'constant', value: isScalar ? String(value) : (value as null) }
}

/** What a maker was given. */
interface Given {
  readonly path: string
  readonly values?: readonly string[]
  readonly options: Pick<Field, 'optional' | 'tombstone' | 'unit'>
}

function field(type: FieldType, given: Given): Field {
  const { value, problems = [] } = examine(given, givenShapes[type])
  if (value === undefined) return { type, path: '$.unknown', problem: problems.join('; ') }
  const { options, ...rest } = value
  const made: Field = { type, ...rest, ...options }
  const problem = problemOf(made)
  return problem === null ? made : { ...made, problem }
}

const values = listOf(aText)
const tombstone = choiceOf('recordKey(), recordTimestamp() or constant(value)', [
  { is: (value) => isOf(value, 'constant'), shape: objectOf({ kind: aText, value: constantShape() }) },
  {
    is: (value) => isOf(value, 'record-key') || isOf(value, 'record-timestamp'),
    shape: objectOf({ kind: aText }),
  },
])
const shared = { optional: optional(flag), tombstone: optional(tombstone) }
const unit = optional(oneOfTexts('s', 'ms'))

/** What an author gives for a field of each type. */
const plain = objectOf({ path: aText, options: objectOf(shared) })
const givenShapes: { readonly [type in FieldType]: Shape } = {
  int64: plain,
  text: plain,
  'one-of': objectOf({ path: aText, values, options: objectOf(shared) }),
  timestamp: objectOf({ path: aText, options: objectOf({ ...shared, unit }) }),
  float64: plain,
  boolean: plain,
}

function constantShape(): Shape {
  return shapeOf('a text, a number, true, false or null', (value) => value === null || typeof value === 'string')
}

function isOf(value: unknown, kind: string): boolean {
  return isObject(value) && value.kind === kind
}

/** A field as one of the makers here made it. */
export const fieldShape: Shape = objectOf({
  type: oneOfTexts(...(Object.keys(givenShapes) as FieldType[])),
  path: aText,
  ...shared,
  problem: optional(aText),
  values: optional(values),
  unit,
})

function problemOf(made: Field): string | null {
  const { type, path, values, tombstone } = made
  if (pathKeys(path) === null)
    return `${JSON.stringify(path)} is no path (object fields from the root, such as $.id or $.a['b c'].d)`
  if (values?.length === 0) return 'a oneOf needs at least one value'
  if (tombstone?.kind === 'record-timestamp' && type !== 'timestamp')
    return 'recordTimestamp() fits timestamp fields only (use recordKey() or constant())'
  if (tombstone?.kind === 'constant' && !fits(made, tombstone.value))
    return `the tombstone constant ${JSON.stringify(tombstone.value)} is no ${type} that the field can hold (use one that is)`
  return null
}

function fits(made: Field, value: string | null): boolean {
  if (value === null) return made.optional === true
  switch (made.type) {
    case 'int64':
      return parseInteger(value) !== null
    case 'text':
      return value.isWellFormed()
    case 'one-of':
      return made.values!.includes(value)
    case 'timestamp':
      return parseTimestamp(Buffer.from(value), 0, Buffer.byteLength(value), { seconds: 0, micros: 0 }) === null
    case 'float64':
      return parseDouble(value) !== null
    case 'boolean':
      return value === 'true' || value === 'false'
  }
}

/** Decimal digits with an optional minus that fit 64 bits, else null. */
export function parseInteger(value: string): bigint | null {
  if (!/^-?\d{1,20}$/.test(value)) return null
  const integer = BigInt(value)
  return BigInt.asIntN(64, integer) === integer ? integer : null
}

/** A finite number in JSON's notation, else null. */
export function parseDouble(value: string): number | null {
  if (!/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value)) return null
  const double = Number(value)
  return Number.isFinite(double) ? double : null
}

const pathStep = /\.([\p{L}_$][\p{L}\p{N}_$-]*)|\['((?:[^'\\]|\\['\\])*)'\]/uy

/** Keys of a path such as `$.a.b['c d']`: object fields only. Null if it is none. */
export function pathKeys(path: string): string[] | null {
  const keys: string[] = []
  pathStep.lastIndex = 1
  while (pathStep.lastIndex < path.length && pathStep.lastIndex > 0) {
    const match = pathStep.exec(path)
    if (match === null) break
    keys.push(match[1] ?? match[2]!.replace(/\\(['\\])/g, '$1'))
  }
  const whole = path.startsWith('$') && keys.length > 0 && pathStep.lastIndex === path.length && path.isWellFormed()
  return whole ? keys : null
}
