/** Whether a table can still be read version by version from its first. */
import { MillraceError } from '../../engine/errors.ts'
import type { Txn } from './actions.ts'
import type { DeltaTable, TableHead } from './table.ts'

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
 * Whether the log and the files of every version are there. Where they are not, a reader that comes new to the table begins
 * with its rows as they are.
 */
export async function isWhole(table: DeltaTable, head: TableHead): Promise<boolean> {
  if (isNotedAsVacuumed(head)) return false
  try {
    for await (const _first of table.entries(0n, 1n)) return true
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'SOURCE_RANGE_LOST') return false
    throw error
  }
  return false
}
