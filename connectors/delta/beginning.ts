/** Whether a table can still be read version by version from its first. */
import { MillraceError } from '../../engine/errors.ts'
import type { Txn } from './actions.ts'
import { commitInfoOf } from './log-entry.ts'
import type { DeltaTable, LogEntry, TableHead } from './table.ts'

/** `appId` of the transaction identifier that tells up to which version files may have been deleted for good. */
const vacuumed = 'millrace.vacuum'

/** Notes that files which versions before `version` speak of are about to be deleted. */
export function vacuumTxn(version: bigint, nowMs: number): Txn {
  return { appId: vacuumed, version, lastUpdated: BigInt(Math.floor(nowMs)) }
}

/** When files were last said to be deleted that no version names; 0 for never. */
export function lastVacuumedMs({ txns }: Pick<TableHead, 'txns'>): number {
  return Number(txns.get(vacuumed)?.lastUpdated ?? 0n)
}

/** Whether the log says that files of earlier versions may be gone. */
export function isNotedAsVacuumed({ txns }: Pick<TableHead, 'txns'>): boolean {
  return txns.has(vacuumed)
}

/**
 * Whether the log and the files of every version are there. Where they are not, a new reader of the table begins with its rows as they are.
 * @param from versions before it are known to have deleted no files
 */
export async function isWhole(table: DeltaTable, head: TableHead, from = 0n): Promise<boolean> {
  if (isNotedAsVacuumed(head)) return false
  try {
    if (from > 0n) for await (const _first of table.entries(0n, 1n)) break
    for await (const entry of table.entries(from, head.version + 1n)) if (deletesFiles(entry)) return false
    return true
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'SOURCE_RANGE_LOST') return false
    throw error
  }
}

/** Other engines note a vacuum as two versions of their own, `VACUUM START` and `VACUUM END`. From the first on files may be gone. */
function deletesFiles(entry: LogEntry): boolean {
  return commitInfoOf(entry)?.operation?.startsWith('VACUUM') === true
}
