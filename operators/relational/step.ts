/** How every relational operator makes its step. */
import type { Json, Step } from '../../engine/contracts.ts'
import { choiceOf, examine, listOf, objectOf, optional, type Shape, text } from '../../engine/shape.ts'
import type { Expression, NamedExpression } from '../expressions/tree.ts'

/** What every relational step can be told beside its own options. */
export interface StepInput {
  /** Id of the step or source read; default the step before. Only `union` reads more than one. */
  readonly from?: string | readonly string[]
}

/** Of a {@link StepInput}. */
export const inputs = choiceOf('the id of a step, or a list of ids', [
  { is: (value) => typeof value === 'string', shape: text },
  { is: Array.isArray, shape: listOf(text) },
])

const inputShape = optional(objectOf({ from: optional(inputs) }))

/** What an author gave for a step, held against its shape. */
export interface StepParts<Given> {
  readonly given: Given
  readonly shape: Shape
  readonly input?: StepInput | undefined
  readonly rejects?: boolean
  /** The step's options; what is wrong with them beside their shape goes to `problem`. */
  options(given: Given, problem: (line: string) => void): object
}

/** A step as plain data; `options` hold expressions and types, which are plain data too. */
export function relationalStep<Given>(id: string, kind: string, parts: StepParts<Given>): Step {
  const { value: given, problems: faults = [] } = examine(parts.given, parts.shape)
  const { value: input, problems: ofInput = [] } = examine(parts.input, inputShape)
  const problems = [...faults, ...ofInput]
  const made = given === undefined ? {} : parts.options(given, (line) => problems.push(line))
  const step = stepOf(id, kind, { options: made, input, rejects: parts.rejects ?? false })
  return problems.length === 0 ? step : { ...step, problems: [...problems, ...(step.problems ?? [])] }
}

function stepOf(
  id: string,
  kind: string,
  parts: { readonly options: object; readonly input: StepInput | undefined; readonly rejects: boolean },
): Step {
  const given = parts.input?.from
  const from = typeof given === 'string' ? [given] : given
  const isWrong = from !== undefined && from.length !== 1 && kind !== 'union'
  return {
    id,
    kind,
    executor: 'relational',
    rejects: parts.rejects,
    options: parts.options as { readonly [key: string]: Json | undefined },
    ...(from === undefined ? {} : { from }),
    ...(isWrong ? { problems: [`${kind} reads one input, not ${from.join(', ') || 'none'} (union them first)`] } : {}),
  }
}

/** Named expressions in the order in which they were written. */
export function namedExpressions(values: { readonly [name: string]: Expression }): NamedExpression[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }))
}
