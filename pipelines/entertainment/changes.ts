/** What every gold pipeline begins with: the net changes of silver since the last batch. */
import { delta } from '../../connectors/index.ts'
import type { SourceDescription, Step } from '../../engine/index.ts'
import { and, col, type Expression, filter, isDistinct, isNotNull, netChanges, not, or } from '../../operators/index.ts'
import type { ColumnOf } from './embedding-text.ts'
import type { Kind } from './kinds.ts'

/** Change feed of a silver table. */
export function silverChanges(kind: Kind): SourceDescription {
  return delta({ table: `silver/${kind}`, changeFeed: true })
}

/** Column of the row as it is now. */
export function after(name: string): Expression {
  return col(['after', ...name.split('.')])
}

/** Column of the row as it was at the last batch. */
function before(name: string): Expression {
  return col(['before', ...name.split('.')])
}

/** Rows that are there; a tombstone of silver is not. */
const isLive: Expression = and(isNotNull(after('id')), not(after('deleted')))

/** Rows that were there at the last batch. */
const wasLive: Expression = and(isNotNull(before('id')), not(before('deleted')))

/** One row per id that differs from the last batch. */
export function netStep(): Step {
  return netChanges('net', { key: ['id'] })
}

/** `changes`: ids that are or were there; `live`: those of them that are there now. They stand behind {@link netStep}. */
export function changeSteps(): Step[] {
  return [filter('changes', or(isLive, wasLive), { from: 'net' }), filter('live', isLive, { from: 'changes' })]
}

/** Ids that were there at the last batch and are gone now. */
export function goneStep(id: string): Step {
  return filter(id, and(wasLive, not(isLive)), { from: 'changes' })
}

/** Live rows that are new or in which one of the columns, or of what is made of columns, differs. */
export function changedSince(
  id: string,
  columns: readonly string[],
  made: readonly ((column: ColumnOf) => Expression)[] = [],
): Step {
  const differs = [...columns.map((name) => (column: ColumnOf) => column(name)), ...made].map((value) =>
    isDistinct(value(after), value(before)),
  )
  return filter(id, or(not(wasLive), ...differs), { from: 'live' })
}
