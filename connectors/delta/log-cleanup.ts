/** Deleting what a log no longer needs (PROTOCOL.md, "Metadata Cleanup"). */
import type { ObjectStore } from '../../engine/contracts.ts'
import type { MetaData } from './actions.ts'
import { type LogFile, logFile, wholeCheckpoints } from './log-listing.ts'
import { leastVersion, readersOf } from './readers.ts'
import { leastAgeMs, logRetentionMs } from './retention.ts'

export interface LogCleanup {
  readonly store: ObjectStore
  readonly table: string
  readonly metaData: MetaData
  readonly nowMs: number
}

const dayMs = 86_400_000n
/** No more are deleted at once: other work waits for it when a process ends. */
const mostAtOnce = 1000

/**
 * Deletes entries, checkpoints and checksums that are older than the table's retention (`delta.logRetentionDuration`, but
 * {@link leastAgeMs} at least), counted from the last midnight in UTC where that is a day or more, and not needed to restore any younger version: the newest whole checkpoint among
 * them, its entry, and all that follows stay. So does what a reader of the table has not read yet
 * ({@link readersOf}). True once nothing more is to be done today, as for a table that forbids it
 * (`delta.enableExpiredLogCleanup`). Only what is old is listed.
 */
export async function cleanLog({ store, table, metaData, nowMs }: LogCleanup): Promise<boolean> {
  if (metaData.configuration['delta.enableExpiredLogCleanup'] === 'false') return true
  const old = await expired(store, `${table}/_delta_log/`, cutoffOf(metaData, nowMs))
  if (old.length === 0) return true
  const needed = leastVersion(await readersOf(store, table))
  const checkpoint = wholeCheckpoints(old).findLast(({ version }) => needed === null || version < needed)
  if (checkpoint === undefined) return true
  const doomed = old.filter(({ version }) => version < checkpoint.version)
  // oldest first: whatever ends this half-way, what is left has no gap
  for (const { key } of doomed.slice(0, mostAtOnce)) await store.delete(key)
  return doomed.length <= mostAtOnce
}

/** How long after a cleanup the next one is worth its while. */
export function cleaningIntervalMs(metaData: MetaData): number {
  return Math.min(Number(dayMs), Math.max(Number(logRetentionMs(metaData)), leastAgeMs) / 4)
}

function cutoffOf(metaData: MetaData, nowMs: number): number {
  const [now, retention] = [BigInt(Math.floor(nowMs)), logRetentionMs(metaData)]
  if (retention >= dayMs) return Number(now - (now % dayMs) - retention)
  return nowMs - Math.max(Number(retention), leastAgeMs)
}

/** Files of versions in ascending order, up to the first that is young. */
async function expired(store: ObjectStore, prefix: string, cutoffMs: number): Promise<LogFile[]> {
  const found: LogFile[] = []
  for await (const { key, modifiedMs } of store.list(prefix)) {
    const file = logFile(prefix, key)
    if (file === null) continue
    if (modifiedMs >= cutoffMs) break
    found.push(file)
  }
  return found
}
