/** Checked plans of one node each, for the operators. */
import type { Column } from '../../engine/schema.ts'
import type { Expression, NamedExpression } from '../expressions/tree.ts'
import { nameProblems, typeOf } from '../expressions/types.ts'
import type { Plan, PlanContext } from './plan.ts'

/** Exactly the given columns. */
export function project(from: Plan, values: readonly NamedExpression[], context: PlanContext): Plan {
  const columns = typedColumns(from, values, context)
  return { op: 'project', step: context.step, from, values, columns }
}

/** The rows for which `where` is true. */
export function filter(from: Plan, where: Expression, context: PlanContext): Plan {
  expectBoolean(from, where, context)
  return { op: 'filter', step: context.step, from, where, columns: from.columns }
}

/** Every column of a plan, as an expression over it. */
export function allColumns(from: Plan): NamedExpression[] {
  return from.columns.map(({ name }) => ({ name, value: { op: 'column', path: [name] } }))
}

/** Names and types of expressions over a plan; what is wrong with them is reported. */
export function typedColumns(from: Plan, values: readonly NamedExpression[], context: PlanContext): Column[] {
  const columns: Column[] = []
  for (const { name, value } of values) {
    const lines: string[] = []
    const type = typeOf(value, from.columns, (line) => lines.push(line))
    if (type === null && lines.length === 0) lines.push('has no type (cast it)')
    for (const line of lines) context.problem(`column ${name}: ${line}`)
    columns.push({ name, type: type ?? 'string' })
  }
  for (const line of nameProblems(values.map(({ name }) => name))) context.problem(line)
  return columns
}

/** Reports a condition that is no boolean. */
export function expectBoolean(from: Plan, where: Expression, context: PlanContext): void {
  const lines: string[] = []
  const type = typeOf(where, from.columns, (line) => lines.push(line))
  if (type !== null && type !== 'boolean') lines.push('is not boolean')
  for (const line of lines) context.problem(`condition: ${line}`)
}

/** Reports names that are no columns of a plan. */
export function expectColumns(from: Plan, names: readonly string[], what: string, context: PlanContext): void {
  for (const name of names)
    if (!from.columns.some((column) => column.name === name))
      context.problem(
        `${what}: unknown column ${name} (there are: ${from.columns.map((column) => column.name).join(', ')})`,
      )
}
