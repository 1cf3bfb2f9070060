/** `expect`: rules that rows must keep, and what becomes of those that do not. */
import type { Step } from '../engine/contracts.ts'
import { and, caseWhen, coalesce, concat, joinList, list, lit, not } from './expressions/functions.ts'
import type { Expression, NamedExpression } from './expressions/tree.ts'
import { expectBoolean, filter, project } from './relational/build.ts'
import type { Plan, PlanContext, Planner } from './relational/plan.ts'
import { relationalStep, type StepInput } from './relational/step.ts'

/**
 * `warn`: the row stays, and is counted. `drop`: it is left out, and counted. `dead-letter`: it goes to the dead
 * letters with code EXPECTATION_FAILED. `fail`: the batch fails with RECORDS_FAILED_EXPECTATION.
 */
export type OnViolation = 'warn' | 'drop' | 'dead-letter' | 'fail'

export interface ExpectOptions {
  readonly rules: readonly NamedExpression[]
  readonly onViolation: OnViolation
}

/** Rows must make every rule true; false and null break it. Rules are named for the messages. */
export function expect(
  id: string,
  rules: { readonly [name: string]: Expression },
  options: { readonly onViolation: OnViolation } & StepInput,
): Step {
  const named = Object.entries(rules).map(([name, value]) => ({ name, value }))
  return relationalStep(id, 'expect', {
    options: { rules: named, onViolation: options.onViolation },
    input: options,
    rejects: options.onViolation === 'dead-letter',
  })
}

/** Plans `expect`. */
export const planExpect: Planner<ExpectOptions> = ({ rules, onViolation }, context) => {
  const from = context.inputs[0]!
  for (const { value } of rules) expectBoolean(from, value, context)
  const kept = and(...rules.map(({ value }) => coalesce(value, false)))
  const passing = filter(from, kept, context)
  const failing = brokenRules(filter(from, not(kept), context), rules, context)
  switch (onViolation) {
    case 'warn':
    case 'fail':
      return { valid: from, violations: { plan: failing, onViolation } }
    case 'drop':
      return { valid: passing, violations: { plan: failing, onViolation } }
    case 'dead-letter':
      return { valid: passing, rejected: failing }
  }
}

function brokenRules(failing: Plan, rules: readonly NamedExpression[], context: PlanContext): Plan {
  const broken = rules.map(({ name, value }) => caseWhen([[not(coalesce(value, false)), name]]))
  const message = concat('breaks: ', joinList(list(broken), '; '))
  return project(
    failing,
    [
      { name: 'code', value: lit('EXPECTATION_FAILED') },
      { name: 'message', value: message },
    ],
    context,
  )
}
