/** How long a table's past is kept. */
import type { MetaData, Txn } from './actions.ts'

type Configured = Pick<MetaData, 'configuration'>

const unitMs: Readonly<Record<string, bigint>> = {
  millisecond: 1n,
  second: 1000n,
  minute: 60_000n,
  hour: 3_600_000n,
  day: 86_400_000n,
  week: 604_800_000n,
}

/**
 * Files that no version names, and entries of the log, are never deleted while they are younger, in milliseconds: a batch under
 * way may be about to commit the one and stand on the other. A commit that took much of that time looks first whether both are
 * still there.
 */
export const leastAgeMs = 3_600_000

/** Milliseconds for which tombstones and their files are kept (`delta.deletedFileRetentionDuration`); default one week. */
export function retentionMs(metaData: Configured): bigint {
  return durationOf(metaData, 'delta.deletedFileRetentionDuration') ?? unitMs.week!
}

/** Milliseconds for which log entries are kept (`delta.logRetentionDuration`); default 30 days. */
export function logRetentionMs(metaData: Configured): bigint {
  return durationOf(metaData, 'delta.logRetentionDuration') ?? 30n * unitMs.day!
}

/** Milliseconds after which transaction identifiers may be dropped by others (`delta.setTransactionRetentionDuration`). */
export function txnRetentionMs(metaData: Configured): bigint | null {
  return durationOf(metaData, 'delta.setTransactionRetentionDuration')
}

/** Whether a transaction identifier has used up half of that time: written again, it stays. */
export function isAgeing(metaData: Configured, { lastUpdated }: Txn, nowMs: number): boolean {
  const retention = txnRetentionMs(metaData)
  if (retention === null) return false
  return lastUpdated === undefined || BigInt(Math.floor(nowMs)) - lastUpdated > retention / 2n
}

/** Null if the table does not say, or says it in words unknown to us. */
function durationOf({ configuration }: Configured, property: string): bigint | null {
  const match = /^(?:interval\s+)?(\d+)\s+([a-z]+?)s?$/i.exec((configuration[property] ?? '').trim())
  const unit = match === null ? undefined : unitMs[match[2]!.toLowerCase()]
  return unit === undefined ? null : BigInt(match![1]!) * unit
}
