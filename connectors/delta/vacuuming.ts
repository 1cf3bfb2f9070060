/** Deleting files that a table no longer needs while batches are committed to it, so that none has to be started for it. */
import { mayList } from './compaction.ts'
import { retentionMs } from './retention.ts'
import type { WritePlace } from './table-write.ts'
import { vacuumTable } from './vacuum.ts'

/** What it is done with. */
export interface VacuumingOptions extends WritePlace {
  /** See {@link vacuumTable}. */
  readonly storeNowMs?: () => Promise<number>
  /** Told why it could not be done; it is done again later. */
  readonly onUpkeepFailed?: (error: unknown) => void
}

/** Watches over a table's files while batches are committed to it. */
export interface Vacuuming {
  /** To be called after a commit. Begins what is due beside the batches that follow. */
  committed(): void
  /** Resolves when nothing is being deleted any more. */
  settled(): Promise<void>
}

/** So many go at a time: a process that ends waits for it. */
const mostFiles = 1000
const [leastMs, mostMs] = [10_000, 6 * 3_600_000]

/**
 * Vacuums after the first commit, and whenever a fourth of the table's retention has passed since. Tables of very many files
 * are left to a vacuum by hand: the list of their files alone takes longer to read than a commit.
 */
export function openVacuuming(options: VacuumingOptions): Vacuuming {
  const { table, store, clock, ids, storeNowMs, onUpkeepFailed } = options
  const signal = new AbortController().signal
  let running: Promise<void> | null = null
  let nextMs = Number.NEGATIVE_INFINITY

  async function vacuum(): Promise<void> {
    const snapshot = await table.snapshot()
    if (snapshot === null) return
    nextMs = clock.nowMs() + Math.min(mostMs, Math.max(leastMs, Number(retentionMs(snapshot.metaData)) / 4))
    if (!mayList(snapshot)) return
    const parts = { table, store, clock, ids, ...(storeNowMs === undefined ? {} : { storeNowMs }) }
    const { files } = await vacuumTable({ ...parts, mostFiles, force: false, dryRun: false, quiet: true, signal })
    if (files === mostFiles) nextMs = Number.NEGATIVE_INFINITY
  }
  return {
    committed() {
      if (running !== null || clock.nowMs() < nextMs) return
      const done = (): void => {
        running = null
      }
      running = vacuum()
        .catch((error: unknown) => onUpkeepFailed?.(error))
        .then(done)
    },
    async settled() {
      await running
    },
  }
}
