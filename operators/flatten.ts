/** `flatten`: a row per element of a list. */
import type { Step } from '../engine/contracts.ts'
import { type DataType, formatType } from '../engine/schema.ts'
import { choiceOf, isObject, mapOf, objectOf, optional, text } from '../engine/shape.ts'
import { expression } from './expressions/expression-shape.ts'
import { col } from './expressions/functions.ts'
import type { Expression, NamedExpression } from './expressions/tree.ts'
import { nameProblems, typeOf } from './expressions/types.ts'
import { typedColumns } from './relational/build.ts'
import type { Plan, PlanContext, Planner } from './relational/plan.ts'
import { namedExpressions, relationalStep, type StepInput } from './relational/step.ts'

/** Which list, and what each of its elements becomes. */
export interface FlattenSpec {
  /** A list: a column path such as `credits.cast`, or an expression. */
  readonly list: string | Expression
  /** Column for the element. */
  readonly as: string
  /** Columns of the row that every one of its elements repeats. */
  readonly keep?: { readonly [name: string]: Expression }
  /** Column for the element's number in the list, a long from 0. */
  readonly position?: string
}

export interface FlattenOptions {
  readonly list: Expression
  readonly as: string
  readonly keep: readonly NamedExpression[]
  readonly position: string | null
}

/** One row per element, null elements included; a row whose list is null or empty has none. */
export function flatten(id: string, spec: FlattenSpec, input?: StepInput): Step {
  return relationalStep(id, 'flatten', { given: spec, shape, options: optionsOf, input })
}

const shape = objectOf({
  list: choiceOf('a column path or an expression', [
    { is: (value) => typeof value === 'string', shape: text },
    { is: isObject, shape: expression },
  ]),
  as: text,
  keep: optional(mapOf(expression)),
  position: optional(text),
})

function optionsOf({ list, as, keep, position }: FlattenSpec): FlattenOptions {
  return {
    list: typeof list === 'string' ? col(list) : list,
    as,
    keep: namedExpressions(keep ?? {}),
    position: position ?? null,
  }
}

/** Plans `flatten`. */
export const planFlatten: Planner<FlattenOptions> = ({ list, as, keep, position }, context) => {
  const from = context.inputs[0]!
  const columns = [
    ...typedColumns(from, keep, context),
    { name: as, type: elementType(from, list, context) },
    ...(position === null ? [] : [{ name: position, type: 'long' as const }]),
  ]
  for (const line of nameProblems(columns.map(({ name }) => name))) context.problem(line)
  return { valid: { op: 'flatten', step: context.step, from, list, as, keep, position, columns } }
}

function elementType(from: Plan, list: Expression, context: PlanContext): DataType {
  const lines: string[] = []
  const type = typeOf(list, from.columns, (line) => lines.push(line))
  const isList = type !== null && typeof type !== 'string' && type.kind === 'array'
  if (!isList && lines.length === 0) lines.push(type === null ? 'has no type' : `${formatType(type)} is no list`)
  for (const line of lines) context.problem(`list: ${line}`)
  return isList ? type.element : 'string'
}
