/** How long a table's past is kept. */
import { parseDuration } from '../../engine/duration.ts'
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

/** How long a sink wants its table to keep its past. */
export interface WantedRetention {
  readonly ms: number
  /** Whether a table that is there takes it over; else only one that is made has it. */
  readonly adopted: boolean
}

/**
 * The properties of a table that keeps its past for a time: files that were removed from it for that long, and its log as
 * well, but never for less than an hour.
 */
export function retentionProperties(ms: number): { readonly [property: string]: string } {
  return {
    'delta.deletedFileRetentionDuration': interval(ms),
    'delta.logRetentionDuration': interval(Math.max(ms, leastAgeMs)),
  }
}

/** What a sink's retention must be. */
export const retentionForm = 'a number with its unit (15m, 2h, 7d; at least 1s)'

/** Milliseconds of a sink's retention; null for what is none. */
export function parseRetention(text: unknown): number | null {
  const ms = typeof text === 'string' ? parseDuration(text) : null
  return ms === null || ms < 1000 ? null : ms
}

/** As engines write it, in the largest unit that gives a whole number. */
function interval(ms: number): string {
  const names = ['day', 'hour', 'minute', 'second'] as const
  const unit = names.find((name) => BigInt(ms) % unitMs[name]! === 0n) ?? 'millisecond'
  const count = BigInt(ms) / unitMs[unit]!
  return `interval ${count} ${unit}${count === 1n ? '' : 's'}`
}

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
