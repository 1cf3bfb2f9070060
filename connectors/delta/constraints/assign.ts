/** Values of expressions for columns of a table: what Spark stores without a cast that loses something. Pure. */
import { duckdbType } from '../../../engine/batch/duckdb-types.ts'
import { type Column, type DataType, sameType } from '../../../engine/schema.ts'
import { Untranslatable } from './tokens.ts'
import {
  describe,
  integerDigits,
  isDecimal,
  isInteger,
  type Names,
  readAs,
  type Typed,
  translateValue,
} from './translate.ts'

/**
 * SQL of the value that an expression of Spark SQL gives a column, of the column's type. A number too large for it is an error
 * where the SQL is run, as in Spark's default mode; whatever would be rounded, or read as something else, is
 * {@link Untranslatable}.
 */
export function assigned(expression: string, column: Column, names: Names): string {
  const value = translateValue(expression, names)
  const { type } = column
  if (value.type === 'null') return cast('NULL', type)
  if (sameType(value.type, type)) return value.sql
  if (isStored(value, type)) return cast(value.sql, type)
  if (value.literal !== undefined && value.type === 'string') return readAs(type, value.literal)
  throw new Untranslatable(`${describe(value.type)} as ${describe(type)}`)
}

function isStored({ type: from, literal }: Typed, to: DataType): boolean {
  if (isInteger(from) && isInteger(to)) return true
  if (isDecimal(to)) return scaleOf(from) !== null && scaleOf(from)! <= to.scale
  if (to === 'double') return from === 'float' || isExact(from, 15)
  return to === 'float' && literal !== undefined && from !== 'string' && literal.replaceAll(/\D/g, '').length <= 7
}

/** Digits behind the point; null of what is no exact number. */
function scaleOf(type: Typed['type']): number | null {
  return isInteger(type) ? 0 : isDecimal(type) ? type.scale : null
}

/** Whether a type holds no more digits than a floating-point number keeps. */
function isExact(type: Typed['type'], digits: number): boolean {
  return isInteger(type) ? integerDigits[type]! <= digits : isDecimal(type) && type.precision <= digits
}

function cast(sql: string, type: DataType): string {
  return `CAST(${sql} AS ${duckdbType(type)})`
}
