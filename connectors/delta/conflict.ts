/** Whether the work of a transaction still stands after other writers' commits. Pure. */
import type { Action } from './actions.ts'
import { fileKey } from './replay.ts'
import type { LogEntry, Transaction } from './table.ts'

/**
 * Why the transaction cannot be committed on top of the entries written since its snapshot, or null if it can. The
 * rules in the order of their being asked: protocol, metadata, transaction identifiers, added files that should have
 * been read, files read that were removed, files removed twice. Serializable: every data change counts, whatever its
 * writer says about blind appends. Files rewritten without data change only count if the transaction touches them.
 */
export function findConflict(transaction: Transaction, winners: readonly LogEntry[]): string | null {
  const mine = footprint(transaction)
  for (const rule of rules)
    for (const winner of winners)
      for (const action of winner.actions) {
        const reason = rule(mine, action)
        if (reason !== null) return `${reason} in version ${winner.version}`
      }
  return null
}

interface Footprint {
  readonly appIds: ReadonlySet<string>
  readonly read: ReadonlySet<string>
  readonly removed: ReadonlySet<string>
  readonly changesData: boolean
  readonly reads: Transaction['reads']
}

type Rule = (mine: Footprint, winner: Action) => string | null

const rules: readonly Rule[] = [
  (_mine, winner) => ('protocol' in winner ? 'the protocol was changed' : null),
  (_mine, winner) => ('metaData' in winner ? 'the metadata was changed' : null),
  (mine, winner) =>
    'txn' in winner && mine.appIds.has(winner.txn.appId) ? `transaction ${winner.txn.appId} went on` : null,
  (mine, winner) =>
    'add' in winner && winner.add.dataChange && mayHaveMissed(mine, winner.add)
      ? `${winner.add.path} was added, which may hold rows that had to be read`
      : null,
  (mine, winner) =>
    'remove' in winner && mine.read.has(fileKey(winner.remove.path))
      ? `${winner.remove.path} was removed, which had been read`
      : null,
  (mine, winner) =>
    'remove' in winner && mine.removed.has(fileKey(winner.remove.path))
      ? `${winner.remove.path} was removed, too`
      : null,
]

function mayHaveMissed(mine: Footprint, added: Extract<Action, { add: unknown }>['add']): boolean {
  // rewriting files without changing data gives the same table whatever was added meanwhile
  return mine.reads.kind === 'files' && mine.changesData && mine.reads.mayMatch(added)
}

function footprint(transaction: Transaction): Footprint {
  const { actions, reads } = transaction
  return {
    appIds: new Set(actions.flatMap((action) => ('txn' in action ? [action.txn.appId] : []))),
    read: new Set(reads.kind === 'files' ? [...reads.files].map(fileKey) : []),
    removed: new Set(actions.flatMap((action) => ('remove' in action ? [fileKey(action.remove.path)] : []))),
    // what changes nothing has still been decided by what was read
    changesData: actions.length === 0 || actions.some((action) => !isRewrite(action)),
    reads,
  }
}

/** A file action without data change. Anything else may depend on what was read. */
function isRewrite(action: Action): boolean {
  return ('add' in action && !action.add.dataChange) || ('remove' in action && !action.remove.dataChange)
}
