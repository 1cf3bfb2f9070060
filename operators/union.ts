/** `union`: the rows of several inputs. */
import type { Step } from '../engine/contracts.ts'
import { type Column, formatType } from '../engine/schema.ts'
import { listOf, text } from '../engine/shape.ts'
import { wider } from './expressions/signatures.ts'
import type { Expression } from './expressions/tree.ts'
import { project } from './relational/build.ts'
import type { Plan, PlanContext, Planner } from './relational/plan.ts'
import { relationalStep } from './relational/step.ts'

/**
 * All rows of all inputs, by column name: a column that an input lacks is null there. Numbers widen; other types must
 * agree. An input without files in a batch adds neither rows nor columns to it: derive what a later step names.
 */
export function union(id: string, from: readonly string[]): Step {
  return relationalStep(id, 'union', {
    given: from,
    shape: listOf(text, 1),
    options: () => ({}),
    input: { from: Array.isArray(from) ? from : [] },
  })
}

/** Plans `union`. */
export const planUnion: Planner<object> = (_options, context) => {
  const columns = commonColumns(context)
  const inputs = context.inputs.map((input) => aligned(input, columns, context))
  return { valid: { op: 'union', step: context.step, inputs, columns } }
}

function commonColumns(context: PlanContext): Column[] {
  const columns = new Map<string, Column>()
  for (const { name, type } of context.inputs.flatMap((input) => input.columns)) {
    const known = columns.get(name)
    const both = known === undefined ? type : wider(known.type, type)
    if (both === undefined)
      context.problem(
        `column ${name}: is ${formatType(known!.type)} in one input and ${formatType(type)} in another (cast it)`,
      )
    columns.set(name, { name, type: both ?? type })
  }
  return [...columns.values()]
}

function aligned(input: Plan, columns: readonly Column[], context: PlanContext): Plan {
  const values = columns.map(({ name, type }) => {
    const has = input.columns.some((column) => column.name === name)
    const of: Expression = has ? { op: 'column', path: [name] } : { op: 'literal', type: 'null', value: null }
    const same =
      has && input.columns.some((column) => column.name === name && formatType(column.type) === formatType(type))
    return { name, value: same ? of : ({ op: 'cast', of, to: type, lenient: false } as const) }
  })
  return project(input, values, context)
}
