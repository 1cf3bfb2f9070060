/** How a document is held against its declared fields, in expressions. */
import type { Column, DataType, StructType } from '../../engine/schema.ts'
import { and, call, coalesce, col, eq, isNotNull, matches, or, tryCast } from '../expressions/functions.ts'
import { pointerTo } from '../expressions/json-path.ts'
import type { Expression } from '../expressions/tree.ts'

/** What `parse` puts into its step. */
export interface ParseOptions {
  readonly from: string
  readonly path: readonly string[]
  readonly columns: readonly Column[]
  readonly keep: readonly string[]
  readonly tombstone: 'nulls' | 'reject'
}

/** Hidden columns between the parts of a parse. */
export const hidden = {
  dead: '_millrace_dead',
  text: '_millrace_text',
  types: '_millrace_types',
  doc: '_millrace_doc',
  ok: '_millrace_ok',
}

/** The object's own pointer, then one per field. */
export function pointers(options: ParseOptions): string[] {
  const base = options.path.map(pointerTo).join('')
  return [base, ...options.columns.map(({ name }) => base + pointerTo(name))]
}

/** JSON type found for the i-th field, counted from 1; of the object for 0. */
export function typeFound(i: number): Expression {
  return call('list-get', [col([hidden.types]), i + 1])
}

/** Where a field's value stands after the second reading. */
export function shapedField(options: ParseOptions, name: string): Expression {
  return col([hidden.doc, ...options.path, name])
}

/** The part of a document that is read, `path` included; times as text, to be checked. */
export function nested(path: readonly string[], columns: readonly Column[]): StructType {
  const fields = columns.map(({ name, type }) => ({ name, type: isText(type) ? ('string' as const) : type }))
  // A struct needs a field.
  const inner: StructType = { kind: 'struct', fields: fields.length === 0 ? [{ name: '_', type: 'string' }] : fields }
  return path.reduceRight<StructType>((type, name) => ({ kind: 'struct', fields: [{ name, type }] }), inner)
}

/** Fields whose value is looked at, not only its JSON type. */
export function isChecked({ type }: Column): boolean {
  return isText(type) || isInteger(type)
}

/** Whether a type is written as text in JSON and checked as such. */
export function isText(type: DataType): boolean {
  return type === 'date' || type === 'timestamp' || type === 'timestamp_ntz'
}

function isInteger(type: DataType): boolean {
  return type === 'long' || type === 'integer' || type === 'short' || type === 'byte'
}

/** DuckDB's own casts take more: `2020-1-2`, `epoch`, `infinity`. */
const isoDate = '\\d{4}-\\d{2}-\\d{2}'
const isoTimestamp = `${isoDate}[T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?(Z|[+-]\\d{2}(:?\\d{2})?)?`

/** True where the i-th field is missing, null or as declared; never null. */
export function fieldFits(options: ParseOptions, column: Column, i: number): Expression {
  return and(typeFits(column, i), valueFits(options, column, i))
}

/** Whether the JSON type of the field is one that its declared type admits; never null. */
export function typeFits({ type }: Column, i: number): Expression {
  const found = typeFound(i + 1)
  return coalesce(or(...['NULL', ...jsonTypes(type)].map((json) => eq(found, json))), true)
}

function valueFits(options: ParseOptions, { name, type }: Column, i: number): Expression {
  const value = shapedField(options, name)
  if (isInteger(type)) return or(coalesce(eq(typeFound(i + 1), 'NULL'), true), isNotNull(value))
  if (!isText(type)) return and()
  const fits = and(matches(value, type === 'date' ? isoDate : isoTimestamp), isNotNull(tryCast(value, type)))
  return coalesce(or(eq(value, ''), fits), true)
}

function jsonTypes(type: DataType): readonly string[] {
  if (isInteger(type)) return ['BIGINT', 'UBIGINT']
  if (type === 'boolean') return ['BOOLEAN']
  if (type === 'double' || type === 'float') return ['DOUBLE', 'BIGINT', 'UBIGINT']
  if (typeof type === 'string') return ['VARCHAR']
  if (type.kind === 'decimal') return ['DOUBLE', 'BIGINT', 'UBIGINT']
  return type.kind === 'array' ? ['ARRAY'] : ['OBJECT']
}
