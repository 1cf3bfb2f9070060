/** The commit of files that lie in their places already. */
import type { MillraceError } from '../../engine/errors.ts'
import { lastVacuumedMs } from './beginning.ts'
import { CommitNotAllowed } from './commit.ts'
import { missingKeys } from './files-below.ts'
import { entryKey } from './log-entry.ts'
import { leastAgeMs } from './retention.ts'
import type { TableHead, Transaction, TransactionResult } from './table.ts'
import { dropPublished, type WriteTarget } from './table-write.ts'

/** A write that took longer looks whether what it stands on is still there: far less than that is kept for. */
const longMs = leastAgeMs / 6

/**
 * Commits the transaction that refers to what a target has published. The files go if the table does not allow it; after any
 * other error they stay, since the log entry may be there, and after a result they are the caller's to deal with.
 * `SINK_FAILED`, retryable, where a write took so long that its files, or the version that it stands on, were cleaned up.
 */
export async function commitPublished(target: WriteTarget, transaction: Transaction): Promise<TransactionResult> {
  try {
    if (isLong(target)) await assertThere(target)
    const result = await target.table.commit({
      ...transaction,
      actions: isLong(target) ? deletingNow(target, transaction) : transaction.actions,
      admits: (head) => keptIts(target, head) && transaction.admits(head),
    })
    if (result.kind === 'committed' && isLong(target)) await assertOnTop(target, result.version)
    return result
  } catch (error) {
    if (error instanceof CommitNotAllowed) await dropPublished(target)
    throw error
  }
}

/** A process may have been suspended: whatever was asked before may not hold any more. */
function isLong({ clock, startedMs }: WriteTarget): boolean {
  return clock.nowMs() - startedMs > longMs
}

/** Files that it removes were live until now: their retention does not begin before. */
function deletingNow({ clock }: WriteTarget, { actions }: Transaction): Transaction['actions'] {
  const deletionTimestamp = BigInt(Math.floor(clock.nowMs()))
  return actions.map((action) => ('remove' in action ? { remove: { ...action.remove, deletionTimestamp } } : action))
}

/** Other engines vacuum without a word. */
async function assertThere(target: WriteTarget): Promise<void> {
  const missing = await missingKeys(target.store, target.table.path, target.published)
  const [first] = missing
  if (first !== undefined) throw tooLate(target, `${missing.length} of its files were deleted meanwhile, as ${first}`)
}

/** Asked on every try: a vacuum says so in the log before it deletes files that no version names. */
function keptIts(target: WriteTarget, head: TableHead): true {
  if (isLong(target) && lastVacuumedMs(head) >= target.startedMs - longMs)
    throw tooLate(target, 'files of it may have been deleted by a vacuum')
  return true
}

/** Where a log has been cleaned up, a version may be written for a second time, below all others. Then it is taken back. */
async function assertOnTop(target: WriteTarget, version: bigint): Promise<void> {
  const { store, table } = target
  if (version === 0n || (await store.get(entryKey(table.path, version - 1n))) !== null) return
  await store.delete(entryKey(table.path, version))
  throw tooLate(target, `version ${version - 1n}, which it stands on, is gone from the log`)
}

function tooLate({ table, clock, startedMs }: WriteTarget, why: string): MillraceError {
  const minutes = Math.round((clock.nowMs() - startedMs) / 60_000)
  return new CommitNotAllowed(
    'SINK_FAILED',
    `table ${table.path}: a write took ${minutes} minutes, and ${why} (it is done again; make batches smaller if no process was suspended)`,
    { retryable: true },
  )
}
