/** `latestByKey`: one row per key. */
import type { Step } from '../engine/contracts.ts'
import { listOf, objectOf, text } from '../engine/shape.ts'
import { col } from './expressions/functions.ts'
import { expectColumns } from './relational/build.ts'
import type { Planner } from './relational/plan.ts'
import { relationalStep, type StepInput } from './relational/step.ts'

export interface LatestByKeyOptions {
  /** Columns that identify what a row is about; null is a key like any other. */
  readonly key: readonly string[]
  /**
   * Columns compared in turn: the row with the largest wins, null being smaller than everything. Together with the key
   * they must tell any two rows apart (end with the source position), or the winner among equals is left open.
   */
  readonly order: readonly string[]
}

const shape = objectOf({ key: listOf(text), order: listOf(text) })

/** The newest row of every key. Which rows arrive first makes no difference. */
export function latestByKey(id: string, options: LatestByKeyOptions, input?: StepInput): Step {
  return relationalStep(id, 'latest-by-key', { given: options, shape, options: (value) => value, input })
}

export const planLatestByKey: Planner<LatestByKeyOptions> = ({ key, order }, context) => {
  const from = context.inputs[0]!
  if (order.length === 0) context.problem('order: names no column (end it with the source position)')
  expectColumns(from, key, 'key', context)
  expectColumns(from, order, 'order', context)
  return {
    valid: {
      op: 'latest',
      step: context.step,
      from,
      key: key.map((name) => col([name])),
      order: order.map((name) => col([name])),
      columns: from.columns,
    },
  }
}
