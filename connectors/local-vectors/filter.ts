/** What a filter on metadata is in DuckDB. Pure. */
import { identifier, type Parameter } from '../../engine/duckdb.ts'
import type { Column } from '../../engine/schema.ts'
import type { MetadataFilter } from '../vectors/store.ts'

/** A condition over the columns of a namespace, and the values of its parameters, `$1` first. */
export interface Condition {
  readonly sql: string
  readonly parameters: readonly Parameter[]
}

/** Null where the namespace lacks a column: nothing there can be found. */
export function conditionOf(where: MetadataFilter, columns: readonly Column[]): Condition | null {
  const parameters: Parameter[] = []
  const parameter = (value: Parameter) => `$${parameters.push(value)}`
  const parts: string[] = []
  for (const [name, wanted] of Object.entries(where)) {
    const column = columns.find((each) => each.name === name)
    if (column === undefined) return null
    parts.push(...(typeof wanted === 'object' ? within(column, wanted, parameter) : [equal(column, wanted, parameter)]))
  }
  return { sql: parts.length === 0 ? 'true' : parts.join(' AND '), parameters }
}

type AddParameter = (value: Parameter) => string

function equal({ name, type }: Column, wanted: string | number, parameter: AddParameter): string {
  const value = parameter(wanted)
  const same = (left: string) =>
    typeof wanted === 'string' ? `lower(${left}::VARCHAR) = lower(${value})` : `${number(left)} = ${value}`
  const column = identifier(name)
  return typeof type === 'object' && type.kind === 'array'
    ? `len(list_filter(${column}, lambda each: ${same('each')})) > 0`
    : same(column)
}

function within(
  { name }: Column,
  { from, to }: { readonly from?: number; readonly to?: number },
  parameter: AddParameter,
): string[] {
  const column = number(identifier(name))
  return [
    `${column} IS NOT NULL`,
    ...(from === undefined ? [] : [`${column} >= ${parameter(from)}`]),
    ...(to === undefined ? [] : [`${column} <= ${parameter(to)}`]),
  ]
}

/** What is no number is null. */
function number(value: string): string {
  return `TRY_CAST(${value}::VARCHAR AS DOUBLE)`
}
