/** `netChanges`: what a stretch of a change feed amounts to. */
import type { Step } from '../engine/contracts.ts'
import type { Column } from '../engine/schema.ts'
import { listOf, objectOf, text } from '../engine/shape.ts'
import { expectColumns } from './relational/build.ts'
import type { Planner } from './relational/plan.ts'
import { relationalStep, type StepInput } from './relational/step.ts'

export interface NetChangesOptions {
  /** Columns that identify a row of the table; unique in every version of it. */
  readonly key: readonly string[]
}

/** Columns that a change feed adds to those of its table (Delta protocol, "Change Data Files"). */
const feedColumns = ['_change_type', '_commit_version', '_commit_timestamp']

const shape = objectOf({ key: listOf(text, 1) })

/**
 * One row per key that differs between the start and the end of the feed: the key's columns, `before` (the row as it
 * was, null when there was none) and `after` (the row as it is, null when it is gone). Steps in between do not show.
 */
export function netChanges(id: string, options: NetChangesOptions, input?: StepInput): Step {
  return relationalStep(id, 'net-changes', { given: options, shape, options: (value) => value, input })
}

/** Plans `netChanges`. */
export const planNetChanges: Planner<NetChangesOptions> = ({ key }, context) => {
  const from = context.inputs[0]!
  expectColumns(from, ['_change_type', '_commit_version'], 'change feed', context)
  expectColumns(from, key, 'key', context)
  const state = from.columns.filter(({ name }) => !feedColumns.includes(name))
  const row = { kind: 'struct', fields: state } as const
  const columns: Column[] = [
    ...key.map((name) => state.find((column) => column.name === name) ?? { name, type: 'string' as const }),
    { name: 'before', type: row },
    { name: 'after', type: row },
  ]
  return {
    valid: { op: 'net-changes', step: context.step, from, key, state: state.map(({ name }) => name), columns },
  }
}
