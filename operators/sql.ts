/** `sql`: the escape hatch into DuckDB's own language. */
import type { Step } from '../engine/contracts.ts'
import { text as textShape } from '../engine/shape.ts'
import type { Plan, Planner } from './relational/plan.ts'
import { relationalStep, type StepInput } from './relational/step.ts'

/**
 * One DuckDB query over the input, which it calls `batch`: `sql('top', 'SELECT id FROM batch WHERE ...')`. It must give
 * the same rows for the same input. Runs on no other engine, and rows that a later step rejects do not keep the record
 * that they came from.
 */
export function sql(id: string, text: string, input?: StepInput): Step {
  return relationalStep(id, 'sql', { given: text, shape: textShape, options: (value) => ({ text: value }), input })
}

/** Plans `sql`. */
export const planSql: Planner<{ readonly text: string }> = async ({ text }, context) => {
  const from = context.inputs[0]!
  const open: Plan = { op: 'sql', step: context.step, from, text, columns: [] }
  return { valid: { ...open, columns: await context.describe(open) } }
}
