/** `expect`: rules that rows must keep, and what becomes of those that do not. */
import type { Step } from '../engine/contracts.ts'
import { choiceOf, examine, isObject, mapOf, objectOf, oneOfTexts, optional } from '../engine/shape.ts'
import { expression } from './expressions/expression-shape.ts'
import { and, call, caseWhen, coalesce, concat, joinList, list, lit, not } from './expressions/functions.ts'
import type { Expression, NamedExpression } from './expressions/tree.ts'
import { expectBoolean, filter, project } from './relational/build.ts'
import type { Plan, PlanContext, Planner } from './relational/plan.ts'
import { inputs, relationalStep, type StepInput } from './relational/step.ts'

/**
 * `warn`: the row stays, and is counted. `drop`: it is left out, and counted. `dead-letter`: it goes to the dead
 * letters with code EXPECTATION_FAILED, and a message that names the rules it broke. `fail`: the batch fails with RECORDS_FAILED_EXPECTATION.
 */
export type OnViolation = 'warn' | 'drop' | 'dead-letter' | 'fail'

/** A rule that tells, of a row that breaks it, what it found. */
export interface ExplainedRule {
  readonly holds: Expression
  /** Text, for rows that break the rule; null adds nothing. */
  readonly found: Expression
}

export interface ExpectOptions {
  readonly rules: readonly (NamedExpression & { readonly found?: Expression })[]
  readonly onViolation: OnViolation
}

/** What `expect` is given. */
interface Given {
  readonly rules: { readonly [name: string]: Expression | ExplainedRule }
  readonly options: { readonly onViolation: OnViolation } & StepInput
}

/** Rows must make every rule true; false and null break it. Rules are named for the messages. */
export function expect(id: string, rules: Given['rules'], options: Given['options']): Step {
  const { value: told } = examine(options, optionsShape)
  return relationalStep(id, 'expect', {
    given: { rules, options },
    shape,
    options: optionsOf,
    input: told?.from === undefined ? {} : { from: told.from },
    rejects: told?.onViolation === 'dead-letter',
  })
}

const rule = choiceOf('an expression, or { holds, found }', [
  { is: (value) => isObject(value) && Object.hasOwn(value, 'op'), shape: expression },
  { is: isObject, shape: objectOf({ holds: expression, found: expression }) },
])

const optionsShape = objectOf({
  onViolation: oneOfTexts('warn', 'drop', 'dead-letter', 'fail'),
  from: optional(inputs),
})

const shape = objectOf({ rules: mapOf(rule), options: optionsShape })

function optionsOf({ rules, options }: Given): ExpectOptions {
  const named = Object.entries(rules).map(([name, rule]) =>
    'holds' in rule ? { name, value: rule.holds, found: rule.found } : { name, value: rule },
  )
  return { rules: named, onViolation: options.onViolation }
}

/** Plans `expect`. */
export const planExpect: Planner<ExpectOptions> = ({ rules, onViolation }, context) => {
  const from = context.inputs[0]!
  for (const { value } of rules) expectBoolean(from, value, context)
  const kept = and(...rules.map(({ value }) => coalesce(value, false)))
  const failing = brokenRules(filter(from, not(kept), context), rules, context)
  switch (onViolation) {
    case 'warn':
    case 'fail':
      return { valid: from, violations: { plan: failing, onViolation } }
    case 'drop':
      return { valid: filter(from, kept, context), violations: { plan: failing, onViolation } }
    case 'dead-letter':
      return { countsRejected: true, valid: filter(from, call('judged', [kept]), context), rejected: failing }
  }
}

function brokenRules(failing: Plan, rules: ExpectOptions['rules'], context: PlanContext): Plan {
  const broken = rules.map(({ name, value, found }) =>
    caseWhen([[not(coalesce(value, false)), found === undefined ? name : coalesce(concat(name, ': ', found), name)]]),
  )
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
