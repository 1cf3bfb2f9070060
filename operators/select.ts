/** Which columns there are: `select`, `derive`, `drop`. */
import type { Step } from '../engine/contracts.ts'
import { listOf, mapOf, text } from '../engine/shape.ts'
import { expression } from './expressions/expression-shape.ts'
import type { Expression, NamedExpression } from './expressions/tree.ts'
import { allColumns, expectColumns, project } from './relational/build.ts'
import type { Planner } from './relational/plan.ts'
import { namedExpressions, relationalStep, type StepInput } from './relational/step.ts'

export interface SelectOptions {
  readonly values: readonly NamedExpression[]
}

const expressions = mapOf(expression)

function named(columns: { readonly [name: string]: Expression }) {
  return {
    given: columns,
    shape: expressions,
    options: (given: typeof columns): SelectOptions => ({ values: namedExpressions(given) }),
  }
}

/** Exactly the named columns, in the order given. */
export function select(id: string, columns: { readonly [name: string]: Expression }, input?: StepInput): Step {
  return relationalStep(id, 'select', { ...named(columns), input })
}

/** All columns, and those named: replaced in place where they exist, else added. All see the input's values. */
export function derive(id: string, columns: { readonly [name: string]: Expression }, input?: StepInput): Step {
  return relationalStep(id, 'derive', { ...named(columns), input })
}

/** All columns but the named. */
export function drop(id: string, columns: readonly string[], input?: StepInput): Step {
  return relationalStep(id, 'drop', {
    given: columns,
    shape: listOf(text),
    options: (names) => ({ columns: names }),
    input,
  })
}

/** Plans `select`. */
export const planSelect: Planner<SelectOptions> = ({ values }, context) => ({
  valid: project(context.inputs[0]!, values, context),
})

/** Plans `derive`. */
export const planDerive: Planner<SelectOptions> = ({ values }, context) => {
  const from = context.inputs[0]!
  const given = new Map(values.map((value) => [value.name, value]))
  const kept = allColumns(from).map((column) => given.get(column.name) ?? column)
  const added = values.filter(({ name }) => !from.columns.some((column) => column.name === name))
  return { valid: project(from, [...kept, ...added], context) }
}

/** Plans `drop`. */
export const planDrop: Planner<{ readonly columns: readonly string[] }> = ({ columns }, context) => {
  const from = context.inputs[0]!
  expectColumns(from, columns, 'drop', context)
  return {
    valid: project(
      from,
      allColumns(from).filter(({ name }) => !columns.includes(name)),
      context,
    ),
  }
}
