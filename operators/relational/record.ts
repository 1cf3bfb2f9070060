/** Carries the record that a row came from along a plan, for the statements that write dead letters only. Pure. */
import { deadLetterColumns } from '../../engine/record.ts'
import type { Column } from '../../engine/schema.ts'
import { col } from '../expressions/functions.ts'
import { type Plan, recordColumn, withInputs } from './plan.ts'

/** The part of a dead letter that is the record itself: what the record sources and bronze tables have. */
export const recordColumns: readonly Column[] = deadLetterColumns.slice(
  deadLetterColumns.findIndex(({ name }) => name === 'topic'),
)

const carried: Column = { name: recordColumn, type: { kind: 'struct', fields: recordColumns } }

/**
 * The plan with one column more, {@link recordColumn}. It is lost (null) where a row no longer stands for one record:
 * after net changes and after the author's own SQL.
 */
export function carryRecord(plan: Plan): Plan {
  const columns = [...plan.columns, carried]
  const value = col([recordColumn])
  switch (plan.op) {
    case 'scan':
      return { ...plan, columns, packRecord: true }
    case 'project':
      return { ...plan, columns, from: carryRecord(plan.from), values: [...plan.values, { name: recordColumn, value }] }
    case 'flatten':
      return { ...plan, columns, from: carryRecord(plan.from), keep: [...plan.keep, { name: recordColumn, value }] }
    case 'net-changes':
    case 'sql':
      return lost(plan)
    default:
      return { ...withInputs(plan, carryRecord), columns }
  }
}

function lost(plan: Plan): Plan {
  const values = plan.columns.map(({ name }) => ({ name, value: col([name]) }))
  const none = {
    op: 'cast',
    of: { op: 'literal', type: 'null', value: null },
    to: carried.type,
    lenient: false,
  } as const
  return {
    op: 'project',
    step: plan.step,
    from: plan,
    values: [...values, { name: recordColumn, value: none }],
    columns: [...plan.columns, carried],
  }
}
