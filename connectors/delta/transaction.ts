/** What a transaction must look like before anybody tries to commit it. */
import { MillraceError } from '../../engine/errors.ts'
import type { Action } from './actions.ts'
import { fileKey } from './replay.ts'
import type { Transaction } from './table.ts'

/**
 * Refuses what no log entry may hold (PROTOCOL.md, "Action Reconciliation"): two `metaData` or `protocol`, two `txn` of
 * one appId, two `add` or two `remove` of one path, and a `commitInfo` of the caller's own. `SINK_FAILED`.
 */
export function assertTransaction({ actions }: Transaction): void {
  const seen = new Set<string>()
  for (const action of actions) {
    const key = identityOf(action)
    if (seen.has(key) || 'commitInfo' in action)
      throw new MillraceError('SINK_FAILED', `transaction is malformed: ${key} may not be in it twice, or at all`)
    seen.add(key)
  }
}

function identityOf(action: Action): string {
  if ('add' in action) return `add of ${fileKey(action.add.path)}`
  if ('remove' in action) return `remove of ${fileKey(action.remove.path)}`
  if ('cdc' in action) return `cdc of ${fileKey(action.cdc.path)}`
  if ('txn' in action) return `txn of ${action.txn.appId}`
  if ('domainMetadata' in action) return `domainMetadata of ${action.domainMetadata.domain}`
  return Object.keys(action)[0] ?? 'an empty action'
}
