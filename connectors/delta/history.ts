/** What a table's log tells about its versions, newest first. */
import { MillraceError } from '../../engine/errors.ts'
import type { CommitInfo } from './actions.ts'
import { commitInfoOf } from './log-entry.ts'
import type { DeltaTable, LogEntry, TableHead } from './table.ts'

/** One version of a table, as its commit describes it. */
export interface HistoryEntry {
  readonly version: bigint
  /** Milliseconds since 1970, by the writer's clock; null where it left none. */
  readonly timestampMs: number | null
  /** `WRITE`, `MERGE`, ...; null where the writer named none. */
  readonly operation: string | null
  readonly metrics: Readonly<Record<string, string>>
  readonly writer: string | null
  /** Which pipeline made the version and what it had read; null for other writers. */
  readonly batch: Batch | null
}

type Batch = NonNullable<CommitInfo['millrace']>

/** Entries read at a time; a table's newest entries are wanted far more often than its oldest. */
const window = 20n

/**
 * The table's versions from the newest down, `limit` of them at most; ends early where the log has been cleaned up.
 * Nothing for a table that does not exist.
 */
export async function* tableHistory(table: DeltaTable, limit = Number.POSITIVE_INFINITY): AsyncGenerator<HistoryEntry> {
  const snapshot = await table.snapshot()
  if (snapshot === null) return
  let left = limit
  for await (const entry of newestFirst(table, snapshot.version)) {
    if (left-- <= 0) return
    yield describe(entry)
  }
}

/**
 * Fingerprint of the definition that made `pipeline`'s last commit to the table; null if the log no longer says. A
 * `txn` holds no text, so it is looked for in the `commitInfo`s, from the newest back: where the pipeline is the table's
 * only writer, nothing has to be read for it.
 */
export async function lastFingerprint(table: DeltaTable, newest: TableHead, pipeline: string): Promise<string | null> {
  if (newest.commitInfo?.millrace?.pipeline === pipeline) return newest.commitInfo.millrace.fingerprint
  for await (const entry of newestFirst(table, newest.version)) {
    const batch = commitInfoOf(entry)?.millrace
    if (batch?.pipeline === pipeline) return batch.fingerprint
  }
  return null
}

/** Entries from a version down, as far as the log has them. */
export async function* newestFirst(table: DeltaTable, newest: bigint): AsyncGenerator<LogEntry> {
  for (let end = newest + 1n; end > 0n; end -= window) {
    const start = end > window ? end - window : 0n
    const entries = await entriesThatAreLeft(table, start, end)
    yield* entries.toReversed()
    if (BigInt(entries.length) < end - start) return
  }
}

/** The entries of `[start, end)` after the last gap: the log is cleaned up from its beginning. */
async function entriesThatAreLeft(table: DeltaTable, start: bigint, end: bigint): Promise<LogEntry[]> {
  try {
    return await readEntries(table, start, end)
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'SOURCE_RANGE_LOST') throw error
    if (end - start <= 1n) return []
    const middle = (start + end) / 2n
    const newer = await entriesThatAreLeft(table, middle, end)
    if (BigInt(newer.length) < end - middle) return newer
    return [...(await entriesThatAreLeft(table, start, middle)), ...newer]
  }
}

/** All entries of `[start, end)` at once. */
export async function readEntries(table: DeltaTable, start: bigint, end: bigint): Promise<LogEntry[]> {
  const entries: LogEntry[] = []
  for await (const entry of table.entries(start, end)) entries.push(entry)
  return entries
}

function describe(entry: LogEntry): HistoryEntry {
  const info = commitInfoOf(entry)
  return {
    version: entry.version,
    timestampMs: info?.timestamp === undefined ? null : Number(info.timestamp),
    operation: info?.operation ?? null,
    metrics: info?.operationMetrics ?? {},
    writer: info?.engineInfo ?? null,
    batch: info?.millrace ?? null,
  }
}
