/** What is left of a table's log, from its oldest entry on. */
import type { ObjectStore } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { listLog } from './log-listing.ts'
import type { Span } from './spans.ts'
import type { DeltaTable, LogEntry } from './table.ts'

export interface RemainingOptions {
  readonly store: ObjectStore
  readonly table: DeltaTable
  /** The first version that is not read: it and all after it are left out. */
  readonly end: bigint
}

/**
 * The entries that the log still has below a version, oldest first; a few are in memory at a time. Versions that are
 * gone, at the beginning or between others, are passed over: whoever must know compares the versions.
 */
export async function* remainingEntries({ store, table, end }: RemainingOptions): AsyncGenerator<LogEntry> {
  const { entries } = await listLog({ store, table: table.path, from: 0n })
  const listed = runsOf(entries.filter((version) => version < end))
  for (const [i, { start, end: next }] of listed.entries()) {
    if (i > 0) yield* unlisted(table, listed[i - 1]!.end, start)
    yield* table.entries(start, next)
  }
}

/** A listing made while others write may lack entries that are there. */
async function* unlisted(table: DeltaTable, start: bigint, end: bigint): AsyncGenerator<LogEntry> {
  for (let version = start; version < end; version += 1n)
    try {
      yield* table.entries(version, version + 1n)
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'SOURCE_RANGE_LOST') throw error
    }
}

/** Ascending versions as spans without a gap inside. */
function runsOf(versions: readonly bigint[]): Span[] {
  const runs: { start: bigint; end: bigint }[] = []
  for (const version of versions) {
    const last = runs.at(-1)
    if (last?.end === version) last.end += 1n
    else runs.push({ start: version, end: version + 1n })
  }
  return runs
}
