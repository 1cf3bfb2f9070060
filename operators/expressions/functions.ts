/**
 * What an author writes expressions with. Nulls go through every function (null in, null out) unless it says otherwise.
 * A plain string, number, bigint, boolean or null among the arguments is that value; columns are named by `col`.
 */
import { MillraceError } from '../../engine/errors.ts'
import type { ArrayType, DataType, StructType } from '../../engine/schema.ts'
import { listOf, mapOf, type Shape, shapeOf, shown, text } from '../../engine/shape.ts'
import { aFunction, anything, insist } from './insist.ts'
import { jsonPointer } from './json-path.ts'
import type { Expression, FunctionName } from './tree.ts'

/** An expression, or a value that stands for its literal. */
export type Operand = Expression | string | number | bigint | boolean | null

/** A column, or with dots a field of a struct column: `col('credits.cast')`. A name with a dot: `col(['a.b'])`. */
export function col(path: string | readonly string[]): Expression {
  return { op: 'column', path: typeof path === 'string' ? path.split('.') : path }
}

/** Columns under their own names, to be spread into `select`. */
export function cols(...names: readonly string[]): { readonly [name: string]: Expression } {
  insist(names, listOf(text), 'cols')
  return Object.fromEntries(names.map((name) => [name, col([name])]))
}

/** A field of a struct. */
export function field(of: Expression, name: string): Expression {
  return { op: 'field', of, name }
}

/** A value. Whole numbers and bigints are `long` (exact), other numbers `double`. */
export function lit(value: string | number | bigint | boolean | null): Expression {
  if (value === null) return { op: 'literal', type: 'null', value }
  if (typeof value === 'boolean') return { op: 'literal', type: 'boolean', value }
  if (typeof value === 'string') return { op: 'literal', type: 'string', value: wellFormed(value) }
  if (typeof value === 'bigint') return { op: 'literal', type: 'long', value: String(int64(value)) }
  if (Number.isSafeInteger(value)) return { op: 'literal', type: 'long', value: String(value) }
  if (Number.isFinite(value)) return { op: 'literal', type: 'double', value }
  throw invalid(`literal ${shown(value)} is not a finite number, nor another plain value`)
}

/** Null where one side is null, as in all comparisons but `isDistinct`. */
export const eq = binary('eq')
/** See `eq`. */
export const ne = binary('ne')
/** See `eq`; texts compare by their UTF-8 bytes. */
export const lt = binary('lt')
/** See `lt`. */
export const le = binary('le')
/** See `lt`. */
export const gt = binary('gt')
/** See `lt`. */
export const ge = binary('ge')
/** Like `ne`, but null is a value: never null itself. */
export const isDistinct = binary('is-distinct')
/** Integers that overflow give null, as does any division by zero. */
export const add = binary('add')
export const subtract = binary('subtract')
export const multiply = binary('multiply')
/** Always a double, whatever it divides. */
export const divide = binary('divide')
/** The remainder has the sign of the first operand. */
export const modulo = binary('modulo')
/** Null where both are equal, else the first. */
export const nullIf = binary('null-if')

/** Null counts as unknown, as in SQL. */
export function and(...conditions: readonly Operand[]): Expression {
  return call('and', conditions)
}
/** Null counts as unknown, as in SQL. */
export function or(...conditions: readonly Operand[]): Expression {
  return call('or', conditions)
}
/** Null where the condition is null. */
export function not(condition: Operand): Expression {
  return call('not', [condition])
}
/** True or false, never null. */
export function isNull(value: Operand): Expression {
  return call('is-null', [value])
}
/** True or false, never null. */
export function isNotNull(value: Operand): Expression {
  return not(isNull(value))
}

/** The first that is not null. */
export function coalesce(...values: readonly Operand[]): Expression {
  return call('coalesce', values)
}

/** `caseWhen([[condition, value], ...], otherwise)`: the value of the first condition that is true. */
export function caseWhen(
  branches: readonly (readonly [when: Operand, value: Operand])[],
  otherwise: Operand = null,
): Expression {
  insist(branches, listOf(pair), 'caseWhen')
  const parts = branches.map(([when, value]) => ({ when: operand(when), value: operand(value) }))
  return { op: 'case', branches: parts, otherwise: operand(otherwise) }
}

/** Converts; a value that does not fit fails the batch. Fractions round to the nearest integer, halves to even. */
export function cast(value: Operand, to: DataType): Expression {
  return { op: 'cast', of: operand(value), to, lenient: false }
}
/** Converts; a value that does not fit becomes null. */
export function tryCast(value: Operand, to: DataType): Expression {
  return { op: 'cast', of: operand(value), to, lenient: true }
}

/** Text after text; null if any is. */
export function concat(...parts: readonly Operand[]): Expression {
  return call('concat', parts)
}
/** By Unicode's simple case mapping. */
export const lower = unary('lower')
/** By Unicode's simple case mapping. */
export const upper = unary('upper')
/** Without the spaces at both ends. */
export const trim = unary('trim')
/** Number of code points. */
export const length = unary('length')
/** `count` code points from `start`, which counts from 1. */
export function substring(of: Operand, start: number, count: number): Expression {
  return call('substring', [of, start, count])
}
/** Whether the whole text matches a regular expression (RE2 syntax). */
export function matches(of: Operand, pattern: string): Expression {
  return call('matches', [of, pattern])
}
/** Text of a string, integer, boolean or date (ISO 8601). Not of doubles or timestamps, which engines print differently. */
export const toText = unary('to-text')
/**
 * MD5, in hexadecimal, of the parts in order. Every part is written with its length, so that no two lists of parts
 * share an encoding, and null differs from every text. Parts are what {@link toText} takes. Never null.
 */
export function hashText(...parts: readonly Operand[]): Expression {
  return call('hash-text', parts)
}

/** The UTC date of a timestamp. */
export const dateOf = unary('date-of')
/** The year of a date or timestamp (UTC). */
export const yearOf = unary('year-of')
/** Microseconds from 1970-01-01T00:00:00Z to a timestamp. */
export const epochMicros = unary('epoch-micros')

/**
 * A value inside JSON text: `jsonGet(col('doc'), '$.a.b[0]', 'long')`. Null where the path leads nowhere, to JSON null,
 * to a value that does not convert, or where the text is no JSON. Default type: string.
 */
export function jsonGet(of: Operand, path: string, to: DataType = 'string'): Expression {
  insist(path, text, 'jsonGet: the path')
  return { op: 'json-get', of: operand(of), pointer: jsonPointer(path), to }
}

/** A struct of the given fields; never null itself. */
export function struct(fields: { readonly [name: string]: Operand }): Expression {
  insist(fields, mapOf(anything), 'struct')
  return { op: 'struct', fields: Object.entries(fields).map(([name, value]) => ({ name, value: operand(value) })) }
}
/** A list of values that have one type. */
export function list(items: readonly Operand[]): Expression {
  insist(items, listOf(anything), 'list')
  return call('list', items)
}
/** Every element through `body`, which is called once, when the pipeline is defined. */
export function mapList(values: Expression, body: (element: Expression) => Operand): Expression {
  return each('map', values, body)
}
/** The elements for which `condition` is true. */
export function filterList(values: Expression, condition: (element: Expression) => Operand): Expression {
  return each('filter', values, condition)
}
/** One list after another; a null list counts as empty, so never null. */
export function concatLists(...lists: readonly Expression[]): Expression {
  return call('list-concat', lists)
}
/** A list of lists as one list; null lists inside count as empty. */
export const flattenList = unary('list-flatten')
/** Ascending, nulls first; text by code point. */
export const sortedList = unary('list-sorted')
/** Every value once, without nulls, in no particular order. */
export const distinctList = unary('list-distinct')
/** The texts of a list with `separator` between; nulls are left out. */
export function joinList(values: Expression, separator: string): Expression {
  return call('list-join', [values, separator])
}
/** Null for a list that is null. */
export const listLength = unary('list-length')
/** Whether the list holds a value equal to the given one. */
export const listContains = binary('list-contains')
/** The first element; null of an empty list. */
export function first(values: Expression): Expression {
  return call('list-get', [values, 1])
}

/** The type of a list. */
export function arrayOf(element: DataType): ArrayType {
  return { kind: 'array', element }
}
/** The type of a struct, its fields in this order. */
export function structOf(fields: { readonly [name: string]: DataType }): StructType {
  insist(fields, mapOf(anything), 'structOf')
  return { kind: 'struct', fields: Object.entries(fields).map(([name, type]) => ({ name, type })) }
}

/** The expression that an operand stands for. */
function operand(value: Operand): Expression {
  return typeof value === 'object' && value !== null ? value : lit(value)
}

/** A call of a function by its name in the tree. */
export function call(name: FunctionName, args: readonly Operand[]): Expression {
  return { op: 'call', name, args: args.map(operand) }
}

function unary(name: FunctionName): (value: Operand) => Expression {
  return (value) => call(name, [value])
}

function binary(name: FunctionName): (left: Operand, right: Operand) => Expression {
  return (left, right) => call(name, [left, right])
}

const pair: Shape = shapeOf('a pair of a condition and a value', (value) => Array.isArray(value) && value.length === 2)

/** Depth of callbacks that are being called: names of variables depend on nesting only, so that definitions hash alike. */
let depth = 0

function each(kind: 'map' | 'filter', values: Expression, body: (element: Expression) => Operand): Expression {
  insist(body, aFunction, `${kind}List`)
  const variable = `x${depth}`
  depth += 1
  try {
    return { op: 'each', kind, list: values, variable, body: operand(body({ op: 'variable', name: variable })) }
  } finally {
    depth -= 1
  }
}

function wellFormed(text: string): string {
  if (!text.isWellFormed() || text.includes('\0'))
    throw invalid(`literal ${JSON.stringify(text)} holds a NUL or half of a surrogate pair`)
  return text
}

function int64(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw invalid(`literal ${value} does not fit 64 bits`)
  return value
}

function invalid(problem: string): MillraceError {
  return new MillraceError('DEFINITION_INVALID', `${problem} (use another value)`)
}
