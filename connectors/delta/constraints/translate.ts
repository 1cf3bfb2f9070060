/**
 * Constraints in the SQL of DuckDB. What is translated has the same value there as in Spark for every row; whatever depends on
 * a session's settings, or is rounded, widened or compared otherwise, is {@link Untranslatable}. Pure.
 */
import { duckdbType } from '../../../engine/batch/duckdb-types.ts'
import { identifier, literal } from '../../../engine/duckdb.ts'
import { type Column, type DataType, type DecimalType, formatType } from '../../../engine/schema.ts'
import { type Expression, parseExpression } from './parse.ts'
import { UnknownName, Untranslatable } from './tokens.ts'

/** A condition on rows of a table. */
export interface Condition {
  /** Boolean expression over the table's columns; may be null. */
  readonly sql: string
  /** Top-level columns that it looks at. */
  readonly columns: readonly string[]
}

/** Relations whose columns an expression names as `name.column`; in SQL they are the aliases of the same names. */
export type Relations = Readonly<Record<string, readonly Column[]>>

/** What an expression may name: columns, or those of relations. */
export type Names = readonly Column[] | Relations

/** The condition that an expression of Spark SQL states. {@link Untranslatable} with the reason. */
export function translate(expression: string, names: Names): Condition {
  const scope: Scope = { names, used: new Set() }
  const { sql, type } = typed(parseExpression(expression), scope)
  if (type !== 'boolean') throw new Untranslatable(`a condition that is ${describe(type)}`)
  return { sql, columns: [...scope.used] }
}

/** The value that an expression of Spark SQL has, of the type that it has there. {@link Untranslatable} with the reason. */
export function translateValue(expression: string, names: Names): Typed {
  return typed(parseExpression(expression), { names, used: new Set() })
}

interface Scope {
  readonly names: Names
  readonly used: Set<string>
}

/** The type of a value; `null` is that of the null which stands for itself. */
export type Type = DataType | 'null'

/** SQL of a value. */
export interface Typed {
  readonly sql: string
  readonly type: Type
  /** A text or a number that stands in the expression itself. */
  readonly literal?: string
}

function typed(tree: Expression, scope: Scope): Typed {
  const inner = (each: Expression) => typed(each, scope)
  switch (tree.kind) {
    case 'column':
      return reference(tree.path, scope)
    case 'number':
      return number(tree.text)
    case 'text':
      return { sql: literal(tree.text), type: 'string', literal: tree.text }
    case 'date':
      return { sql: date(tree.text), type: 'date' }
    case 'constant':
      return { sql: String(tree.value), type: tree.value === null ? 'null' : 'boolean' }
    case 'compare':
      return compared(tree.operator, inner(tree.left), inner(tree.right))
    case 'arithmetic':
      return calculated(tree.operator, inner(tree.left), inner(tree.right))
    case 'negative':
      return calculated('-', { sql: '0', type: 'byte' }, inner(tree.of))
    case 'and':
    case 'or':
      return bool(`(${truth(inner(tree.left))} ${tree.kind === 'and' ? 'AND' : 'OR'} ${truth(inner(tree.right))})`)
    case 'not':
      return bool(`(NOT ${truth(inner(tree.of))})`)
    case 'is-null':
      return bool(`(${inner(tree.of).sql} IS NULL)`)
    case 'in':
      return among(inner(tree.of), tree.among.map(inner))
    case 'between': {
      const of = inner(tree.of)
      const [low, high] = [compared('>=', of, inner(tree.low)), compared('<=', of, inner(tree.high))]
      return bool(`(${low.sql} AND ${high.sql})`)
    }
    case 'like':
      return like(inner(tree.of), tree.pattern)
    case 'call':
      return call(tree.name, tree.of.map(inner))
  }
}

function bool(sql: string): Typed {
  return { sql, type: 'boolean' }
}

function truth({ sql, type }: Typed): string {
  if (type === 'boolean' || type === 'null') return sql
  throw new Untranslatable(`${describe(type)} where true or false belongs`)
}

/** Spark takes names in any case. */
function reference(path: readonly string[], { names, used }: Scope): Typed {
  const relation = isRelations(names) ? (path[0] ?? '').toLowerCase() : null
  let fields = isRelations(names) ? (Object.hasOwn(names, relation!) ? names[relation!]! : []) : names
  let found: Typed | null = null
  const unknown = () => new UnknownName(path.join('.'))
  for (const name of relation === null ? path : path.slice(1)) {
    const matching = fields.filter((field) => field.name.toLowerCase() === name.toLowerCase())
    const [field] = matching
    if (field === undefined || matching.length > 1) throw unknown()
    const column: string =
      relation === null ? identifier(field.name) : `${identifier(relation)}.${identifier(field.name)}`
    const sql: string = found === null ? column : `(${found.sql}).${identifier(field.name)}`
    if (found === null) used.add(field.name)
    found = { sql, type: field.type }
    fields = typeof field.type === 'object' && field.type.kind === 'struct' ? field.type.fields : []
  }
  if (found === null) throw unknown()
  return found
}

function isRelations(names: Names): names is Relations {
  return !Array.isArray(names)
}

// ---------------------------------------------------------------------------------------------- literals

function number(text: string): Typed {
  if (/e/i.test(text)) return { sql: `CAST(${literal(text)} AS DOUBLE)`, type: 'double', literal: text }
  if (!text.includes('.')) {
    const value = BigInt(text)
    if (BigInt.asIntN(32, value) === value) return { sql: `CAST(${value} AS INTEGER)`, type: 'integer', literal: text }
    if (BigInt.asIntN(64, value) === value) return { sql: `CAST(${value} AS BIGINT)`, type: 'long', literal: text }
    throw new Untranslatable(`the number ${text}`)
  }
  const [whole = '', fraction = ''] = text.replace('-', '').split('.')
  const type = decimalType(whole.replace(/^0+/, '').length + fraction.length, fraction.length)
  return { sql: `CAST(${literal(text)} AS ${duckdbType(type)})`, type, literal: text }
}

function decimalType(precision: number, scale: number): DecimalType {
  if (precision > 38) throw new Untranslatable('a decimal of more than 38 digits')
  return { kind: 'decimal', precision: Math.max(1, precision), scale }
}

function date(text: string): string {
  const known = /^\d{4}-\d\d-\d\d$/.test(text) && text >= '0001' && !Number.isNaN(Date.parse(text))
  if (!known || new Date(text).toISOString().slice(0, 10) !== text) throw new Untranslatable(`the day '${text}'`)
  return `DATE ${literal(text)}`
}

// ---------------------------------------------------------------------------------------------- comparison

function compared(operator: string, left: Typed, right: Typed): Typed {
  const [one, other] = comparable(left, right)
  return bool(`(${one} ${operator === '<=>' ? 'IS NOT DISTINCT FROM' : operator} ${other})`)
}

function among(of: Typed, options: readonly Typed[]): Typed {
  return bool(`(${options.map((option) => compared('=', of, option).sql).join(' OR ')})`)
}

/** Both sides as values of one type. */
function comparable(left: Typed, right: Typed): readonly [string, string] {
  if (left.type === 'null' || right.type === 'null') return [left.sql, right.sql]
  if (isNumeric(left.type) && isNumeric(right.type)) return comparableNumbers(left, right)
  const kinds: readonly Type[] = ['string', 'boolean', 'date', 'timestamp', 'timestamp_ntz']
  if (left.type === right.type && kinds.includes(left.type)) return [left.sql, right.sql]
  if (right.literal !== undefined && right.type === 'string') return [left.sql, readAs(left.type, right.literal)]
  if (left.literal !== undefined && left.type === 'string') return [readAs(right.type, left.literal), right.sql]
  throw new Untranslatable(`${describe(left.type)} compared with ${describe(right.type)}`)
}

function comparableNumbers(left: Typed, right: Typed): readonly [string, string] {
  const doubles = [`CAST(${left.sql} AS DOUBLE)`, `CAST(${right.sql} AS DOUBLE)`] as const
  if (left.type === 'float' || right.type === 'float') {
    for (const { type, literal: text } of [left, right])
      if (isInteger(type) && !(text !== undefined && Math.abs(Number(text)) <= 2 ** 24))
        throw new Untranslatable(`float compared with ${describe(type)}`)
    return doubles
  }
  return left.type === 'double' || right.type === 'double' ? doubles : [left.sql, right.sql]
}

/**
 * A text where a day or a time is looked for. One without a zone is a time of the session's where zones count:
 * {@link Untranslatable}, as is every other text.
 */
export function readAs(type: Type, text: string): string {
  if (type === 'date') return date(text)
  const time = /^(\d{4}-\d\d-\d\d)[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?(Z|[-+]\d\d:\d\d)?$/.exec(text)
  const zoned = time?.[2] !== undefined
  if (time !== null && ((type === 'timestamp' && zoned) || (type === 'timestamp_ntz' && !zoned))) {
    date(time[1]!)
    if (!Number.isNaN(Date.parse(text.replace(' ', 'T')))) return `CAST(${literal(text)} AS ${duckdbType(type)})`
  }
  throw new Untranslatable(`${describe(type)} compared with '${text}'`)
}

function like({ sql, type }: Typed, pattern: string): Typed {
  if (type !== 'string') throw new Untranslatable(`${describe(type)} with LIKE`)
  return bool(`(${sql} LIKE ${literal(pattern)} ESCAPE '\\')`)
}

// ---------------------------------------------------------------------------------------------- arithmetic

const integers: readonly Type[] = ['byte', 'short', 'integer', 'long']
/** Digits of the decimal that holds every value of an integer type. */
export const integerDigits: Readonly<Record<string, number>> = { byte: 3, short: 5, integer: 10, long: 20 }

/** Whether it is one of the types of whole numbers. */
export function isInteger(type: Type): type is 'byte' | 'short' | 'integer' | 'long' {
  return integers.includes(type)
}

/** Whether it is a decimal, of any number of digits. */
export function isDecimal(type: Type): type is DecimalType {
  return typeof type === 'object' && type.kind === 'decimal'
}

function isNumeric(type: Type): boolean {
  return isInteger(type) || isDecimal(type) || type === 'double' || type === 'float'
}

/** Overflow is an error, as in Spark's default mode. Division by zero is null, which is no less a violation. */
function calculated(operator: string, left: Typed, right: Typed): Typed {
  const types = [left.type, right.type]
  if (!types.every(isNumeric) || types.includes('float'))
    throw new Untranslatable(`${operator} of ${types.map(describe).join(' and ')}`)
  const [exact, double] = [types.every(isInteger), types.includes('double')]
  if (operator === '/') return divided(left, right)
  if (operator === '%') return remainder(left, right)
  if (double) return { sql: `(CAST(${left.sql} AS DOUBLE) ${operator} CAST(${right.sql} AS DOUBLE))`, type: 'double' }
  if (!exact) return ofDecimals(operator, asDecimal(left), asDecimal(right))
  const type = wider(types)
  const sql = `(CAST(${left.sql} AS BIGINT) ${operator} CAST(${right.sql} AS BIGINT))`
  return { sql: `CAST(${sql} AS ${duckdbType(type)})`, type }
}

function wider(types: readonly Type[]): 'byte' | 'short' | 'integer' | 'long' {
  return integers[Math.max(...types.map((type) => integers.indexOf(type)))] as 'byte' | 'short' | 'integer' | 'long'
}

function divided(left: Typed, right: Typed): Typed {
  if (isDecimal(left.type) || isDecimal(right.type)) throw new Untranslatable('division of decimals')
  const by = `CAST(${right.sql} AS DOUBLE)`
  return { sql: `(CASE WHEN ${by} = 0 THEN NULL ELSE CAST(${left.sql} AS DOUBLE) / ${by} END)`, type: 'double' }
}

function remainder(left: Typed, right: Typed): Typed {
  const types = [left.type, right.type]
  if (!types.every(isInteger)) throw new Untranslatable(`% of ${types.map(describe).join(' and ')}`)
  const [of, by] = [left, right].map(({ sql }) => `CAST(${sql} AS BIGINT)`)
  const type = wider(types)
  return { sql: `CAST((CASE WHEN ${by} = 0 THEN NULL ELSE ${of} % ${by} END) AS ${duckdbType(type)})`, type }
}

interface TypedDecimal {
  readonly sql: string
  readonly type: DecimalType
}

function asDecimal({ sql, type }: Typed): TypedDecimal {
  if (isDecimal(type)) return { sql, type }
  const whole = decimalType(integerDigits[String(type)]!, 0)
  return { sql: `CAST(${sql} AS ${duckdbType(whole)})`, type: whole }
}

/** Of the type that Spark gives the result, as long as that needs no rounding. */
function ofDecimals(operator: string, left: TypedDecimal, right: TypedDecimal): Typed {
  const [a, b] = [left.type, right.type]
  const scale = Math.max(a.scale, b.scale)
  const type =
    operator === '*'
      ? decimalType(a.precision + b.precision + 1, a.scale + b.scale)
      : decimalType(Math.max(a.precision - a.scale, b.precision - b.scale) + scale + 1, scale)
  const [one, other] = operator === '*' ? [left.sql, right.sql] : [left, right].map(({ sql }) => `CAST(${sql} AS ${duckdbType(type)})`) // biome-ignore format: one line
  return { sql: `CAST((${one} ${operator} ${other}) AS ${duckdbType(type)})`, type }
}

// ---------------------------------------------------------------------------------------------- functions

/** `lower` and `upper` are none of them: beyond ASCII the two engines turn some letters into others. */
function call(name: string, of: readonly Typed[]): Typed {
  const [first] = of
  if (first !== undefined && of.length === 1) {
    const { sql, type } = first
    if (['length', 'char_length', 'character_length'].includes(name) && type === 'string')
      return { sql: `CAST(length(${sql}) AS INTEGER)`, type: 'integer' }
    if (name === 'abs' && isInteger(type))
      return { sql: `CAST(abs(CAST(${sql} AS BIGINT)) AS ${duckdbType(type)})`, type }
    if (name === 'abs' && isNumeric(type)) return { sql: `abs(${sql})`, type }
  }
  if (name === 'coalesce' && first !== undefined) return coalesced(of)
  throw new Untranslatable(`the function ${name} of ${of.map(({ type }) => describe(type)).join(', ') || 'nothing'}`)
}

function coalesced(of: readonly Typed[]): Typed {
  const types = of.map(({ type }) => type).filter((type) => type !== 'null')
  const same = new Set(types.map(describe)).size === 1
  if (!same && !types.every(isInteger)) throw new Untranslatable(`coalesce of ${types.map(describe).join(', ')}`)
  const type = same ? types[0]! : wider(types)
  return { sql: `CAST(coalesce(${of.map(({ sql }) => sql).join(', ')}) AS ${duckdbType(type as DataType)})`, type }
}

/** The type as messages have it. */
export function describe(type: Type): string {
  return type === 'null' ? 'null' : formatType(type)
}
