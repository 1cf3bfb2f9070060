/**
 * What a condition can be of the rows of a file, told from its partition and its statistics alone. Pure: files are left out, or
 * taken whole, without being opened. Conditions in the logic of SQL: true, false, or null for neither.
 */
import type { Column } from '../../engine/schema.ts'
import type { AddFile } from './actions.ts'
import { type Comparison, type Expression, parseExpression } from './constraints/parse.ts'
import { canonicalText, partitionBound } from './partitions/partition-values.ts'
import { mayHoldNull, mayMatchRange } from './statistics.ts'
import { parseTimestamp } from './timestamp.ts'

/** Which values a condition may have among the rows of a file; at least one is true, also of a file without rows. */
export interface Outcomes {
  readonly true: boolean
  readonly false: boolean
  readonly null: boolean
}

export interface ConditionOnFiles {
  /** In Spark SQL; it must be one that can be translated. */
  readonly expression: string
  /** The table's. */
  readonly columns: readonly Column[]
  /** Names of columns are `<relation>.<column>`; others are not known. Default: they stand alone. */
  readonly relation?: string
}

type Judge = (file: AddFile) => Outcomes

const unknown: Outcomes = { true: true, false: true, null: true }
const never: Outcomes = { true: false, false: false, null: false }
const isTrue: Outcomes = { ...never, true: true }
const isFalse: Outcomes = { ...never, false: true }
const isNull: Outcomes = { ...never, null: true }

/**
 * Tells of each file what the condition may be of its rows. Never leaves out what it is of a row: comparisons of a column with a
 * literal are judged, and what AND, OR and NOT make of them; anything else may have any value.
 */
export function outcomesOf({ expression, columns, relation }: ConditionOnFiles): (file: AddFile) => Outcomes {
  const column = (tree: Expression): Column | null => {
    if (tree.kind !== 'column') return null
    const path = tree.path.map((name) => name.toLowerCase())
    if (relation !== undefined && path.shift() !== relation) return null
    return path.length === 1 ? (columns.find(({ name }) => name.toLowerCase() === path[0]) ?? null) : null
  }
  return judge(parseExpression(expression), column)
}

function judge(tree: Expression, column: (tree: Expression) => Column | null): Judge {
  const inner = (each: Expression) => judge(each, column)
  switch (tree.kind) {
    case 'constant':
      return always(tree.value === null ? isNull : tree.value ? isTrue : isFalse)
    case 'and':
      return all([inner(tree.left), inner(tree.right)])
    case 'or':
      return some([inner(tree.left), inner(tree.right)])
    case 'not':
      return not(inner(tree.of))
    case 'between': {
      const { of, low, high } = tree
      const [least, most] = [compared('>=', of, low, column), compared('<=', of, high, column)]
      return all([least, most])
    }
    case 'in':
      return some(tree.among.map((option) => compared('=', tree.of, option, column)))
    case 'compare':
      return compared(tree.operator, tree.left, tree.right, column)
    case 'is-null': {
      const of = column(tree.of)
      return of === null ? always(unknown) : (file) => nullness(file, of)
    }
    case 'column': {
      const flag = column(tree)
      return flag?.type === 'boolean' ? comparison('=', flag, true) : always(unknown)
    }
    default:
      return always(unknown)
  }
}

function always(outcomes: Outcomes): Judge {
  return () => outcomes
}

function all(judges: readonly Judge[]): Judge {
  return (file) => {
    const each = judges.map((one) => one(file))
    const mayBeFalse = each.some((one) => one.false)
    const noneFalse = each.every((one) => one.true || one.null)
    const mayBeNull = noneFalse && each.some((one) => one.null)
    return { true: each.every((one) => one.true), false: mayBeFalse, null: mayBeNull }
  }
}

function not(of: Judge): Judge {
  return (file) => {
    const { true: yes, false: no, null: neither } = of(file)
    return { true: no, false: yes, null: neither }
  }
}

function some(judges: readonly Judge[]): Judge {
  return not(all(judges.map(not)))
}

function nullness(file: AddFile, { name, type }: Column): Outcomes {
  return {
    true: mayHoldNull(file, name),
    false: mayMatchRange(file, { path: [name], type, min: null, max: null }),
    null: false,
  }
}

// ---------------------------------------------------------------------------------------------- comparisons

const mirrored: Readonly<Record<Comparison, Comparison>> = {
  '=': '=',
  '<>': '<>',
  '<=>': '<=>',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
}

const negated: Readonly<Record<string, Operator>> = { '=': '<>', '<>': '=', '<': '>=', '<=': '>', '>': '<=', '>=': '<' }

type Operator = Exclude<Comparison, '<=>'>

/** A value of a column, as bounds are: {@link partitionBound}. */
type Value = bigint | string | boolean

function compared(
  operator: Comparison,
  left: Expression,
  right: Expression,
  column: (tree: Expression) => Column | null,
): Judge {
  const [one, other] = [column(left), column(right)]
  const [of, literal] = one !== null ? [one, right] : [other, left]
  if (of === null) return always(unknown)
  const value = literalOf(literal, of)
  return value === null ? always(unknown) : comparison(one !== null ? operator : mirrored[operator], of, value)
}

/** Null: of another kind, or of a type whose values are compared otherwise than their bounds, as NaN is. */
function literalOf(literal: Expression, { type }: Column): Value | null {
  switch (literal.kind) {
    case 'constant':
      return type === 'boolean' ? literal.value : null
    case 'number':
      return isInteger(type) && /^-?\d+$/.test(literal.text) ? BigInt(literal.text) : null
    case 'text':
      if (type === 'string' || type === 'date') return literal.text
      return type === 'timestamp' || type === 'timestamp_ntz' ? parseTimestamp(literal.text) : null
    case 'date':
      return type === 'date' ? literal.text : null
    default:
      return null
  }
}

function isInteger(type: Column['type']): boolean {
  return type === 'long' || type === 'integer' || type === 'short' || type === 'byte'
}

function comparison(operator: Comparison, column: Column, value: Value): Judge {
  if (operator !== '<=>') return (file) => outcomes(file, operator, column, value)
  return (file) => {
    const equal = outcomes(file, '=', column, value)
    return { true: equal.true, false: equal.false || equal.null, null: false }
  }
}

function outcomes(file: AddFile, operator: Operator, column: Column, value: Value): Outcomes {
  const { name } = column
  if (Object.hasOwn(file.partitionValues, name))
    return ofPartition(file.partitionValues[name] ?? '', operator, column, value)
  return {
    true: mayBe(file, operator, column, value),
    false: mayBe(file, negated[operator]!, column, value),
    null: mayHoldNull(file, name),
  }
}

/** All rows have the one value. */
function ofPartition(text: string, operator: Operator, { type }: Column, value: Value): Outcomes {
  if (text === '') return isNull
  const held = type === 'boolean' ? canonicalText(text, type) : partitionBound(text, type)
  if (held === null) return unknown
  return holds(operator, order(type === 'boolean' ? held === 'true' : held, value)) ? isTrue : isFalse
}

function order(left: Value, right: Value): number {
  if (typeof left === 'string' && typeof right === 'string')
    return Buffer.compare(Buffer.from(left), Buffer.from(right))
  return left < right ? -1 : left > right ? 1 : 0
}

function holds(operator: Operator, sign: number): boolean {
  switch (operator) {
    case '=':
      return sign === 0
    case '<>':
      return sign !== 0
    case '<':
      return sign < 0
    case '<=':
      return sign <= 0
    case '>':
      return sign > 0
    case '>=':
      return sign >= 0
  }
}

/** Whether the statistics leave room for a row of which the comparison is true. */
function mayBe(file: AddFile, operator: Operator, { name, type }: Column, value: Value): boolean {
  if (typeof value === 'boolean') return true
  const [below, above] = typeof value === 'bigint' ? [value - 1n, value + 1n] : [value, value] // of texts nobody knows the next
  const within = (min: Value | null, max: Value | null) =>
    mayMatchRange(file, { path: [name], type, min: min as bigint | string | null, max: max as bigint | string | null })
  switch (operator) {
    case '=':
      return within(value, value)
    case '<>':
      return within(null, below) || within(above, null)
    case '<':
      return within(null, below)
    case '<=':
      return within(null, value)
    case '>':
      return within(above, null)
    case '>=':
      return within(value, null)
  }
}
