/** What is left of a table's log, from its oldest entry on. */
import type { ObjectStore } from '../../engine/contracts.ts'
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
  for (const { start, end: next } of runsOf(entries.filter((version) => version < end)))
    yield* table.entries(start, next)
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
