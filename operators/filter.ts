/** `filter`: fewer rows. */
import type { Step } from '../engine/contracts.ts'
import { expression } from './expressions/expression-shape.ts'
import type { Expression } from './expressions/tree.ts'
import * as build from './relational/build.ts'
import type { Planner } from './relational/plan.ts'
import { relationalStep, type StepInput } from './relational/step.ts'

/** The rows for which the condition is true; null counts as false. */
export function filter(id: string, where: Expression, input?: StepInput): Step {
  return relationalStep(id, 'filter', {
    given: where,
    shape: expression,
    options: (value) => ({ where: value }),
    input,
  })
}

/** Plans `filter`. */
export const planFilter: Planner<{ readonly where: Expression }> = ({ where }, context) => ({
  valid: build.filter(context.inputs[0]!, where, context),
})
