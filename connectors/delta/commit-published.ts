/** The commit of files that lie in their places already. */
import { CommitNotAllowed } from './commit.ts'
import type { Transaction, TransactionResult } from './table.ts'
import { dropPublished, type WriteTarget } from './table-write.ts'

/**
 * Commits the transaction that refers to what a target has published. The files go if the table does not allow it; after any
 * other error they stay, since the log entry may be there, and after a result they are the caller's to deal with.
 */
export async function commitPublished(target: WriteTarget, transaction: Transaction): Promise<TransactionResult> {
  try {
    return await target.table.commit(transaction)
  } catch (error) {
    if (error instanceof CommitNotAllowed) await dropPublished(target)
    throw error
  }
}
