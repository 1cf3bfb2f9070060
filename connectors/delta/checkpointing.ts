/** When log checkpoints and version checksums are written, and what from. */
import { MillraceError } from '../../engine/errors.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import { type EarlierCheckpoint, writeCheckpoint } from './log-checkpoint.ts'
import { cleaningIntervalMs, cleanLog } from './log-cleanup.ts'
import { hintKey } from './log-listing.ts'
import { noContents, replayContents, type TableContents, type TableState } from './replay.ts'
import { type LoadedState, type LogReader, readEntries } from './snapshot.ts'
import type { LogEntry } from './table.ts'
import type { DeltaTableOptions } from './table-options.ts'
import { checksumKey, printChecksum } from './version-checksum.ts'

/** What a table's log is kept short with, beside its commits. */
export interface Checkpointing {
  /** Told what was found when the log was read from the beginning. */
  found(loaded: LoadedState): void
  /**
   * Begins to write the checksum of a version that was just committed, and a log checkpoint if one is due: commits go on
   * beside them.
   */
  committed(state: TableState): void
  /** Resolves when nothing is being written any more. */
  settled(): Promise<void>
}

/** What a table was opened with, and how its log is read. */
export interface CheckpointingOptions extends DeltaTableOptions {
  readonly reader: LogReader
  readonly contentsOf: (state: TableState) => Promise<TableContents>
}

/** So many versions have their checksum; it is of use to open one of the newest. */
const checksums = 32n

/** Up to so many files a checkpoint costs little, and no more from what is in memory than from the one before. */
const smallFiles = 5000
/** Above, a checkpoint is due after as many commits as there are times this many files. */
const filesPerCommit = 10_000

/** Whoever commits a multiple of the interval writes its checkpoint; one that was missed is made up for. */
export function openCheckpointing(options: CheckpointingOptions): Checkpointing {
  const { store, path, clock, ids, stagingDir, reader } = options
  let overdue = false
  /** The newest that is known of. */
  let last: bigint | null = null
  let writing: Promise<void> | null = null
  let summing: Promise<void> | null = null
  let cleaning: Promise<void> | null = null
  let cleanAfterMs = Number.NEGATIVE_INFINITY

  /** Best effort: the table is whole without a checkpoint, and the commit before it must be reported as done. */
  async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      options.onCheckpointFailed?.(error)
      return undefined
    }
  }
  /** What is past its time goes after the first checkpoint, and again after a while; what that leaves, after the next ones. */
  function clean({ metaData }: TableState): void {
    const nowMs = clock.nowMs()
    if (cleaning !== null || nowMs < cleanAfterMs) return
    const work = attempt(() => cleanLog({ store, table: path, metaData, nowMs }))
    cleaning = work.then((done) => {
      if (done === true) cleanAfterMs = nowMs + cleaningIntervalMs(metaData)
      cleaning = null
    })
  }
  async function write(state: TableState): Promise<void> {
    const hint = await attempt(async () => {
      const duckdb = await options.duckdb()
      const earlier = await earlierThan(state)
      last = null // should this fail, the next one is made from the contents alone
      const writer = { store, table: path, duckdb, stagingDir, name: ids.uuid(), nowMs: clock.nowMs() }
      return writeCheckpoint(writer, state, { earlier, all: () => options.contentsOf(state) })
    })
    overdue ||= hint === undefined
    if (hint === undefined || hint === null) return // another writer was faster
    last = state.version
    faultPoint('log-checkpoint-written')
    await attempt(() => store.put(hintKey(path), hint))
    clean(state)
  }
  /** Null where entries since then are not there any more, and where the contents are at hand and few. */
  async function earlierThan(state: TableState): Promise<EarlierCheckpoint | null> {
    if (last === null || last >= state.version || (state.contents !== null && isSmall(state))) return null
    const entries: LogEntry[] = []
    try {
      for await (const entry of readEntries(reader, { start: last + 1n, end: state.version + 1n })) entries.push(entry)
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'SOURCE_RANGE_LOST') return null
      throw error
    }
    return { version: last, since: replayContents(noContents, entries) }
  }
  function checkpointIfDue(state: TableState): void {
    const interval = intervalOf(options, state)
    if (!(state.version > 0n && state.version % interval === 0n) && !overdue) return
    if (writing !== null) {
      overdue = true
      return
    }
    overdue = false
    if (!isSmall(state) && last !== null && state.version - last < BigInt(Math.floor(filesOf(state) / filesPerCommit)))
      return
    writing = write(state).finally(() => {
      writing = null
    })
    writing.catch(() => {}) // told by `settled`
  }
  /** One at a time: a version without a checksum costs its readers one more entry. */
  function sum(state: TableState): void {
    const body = summing === null ? printChecksum(state) : null
    if (body === null) return
    const done = (): void => {
      summing = null // failed or not: it only saves time, and a fault of the store shows in the next commit
    }
    const old = state.version - checksums
    const drop = async (): Promise<void> => {
      if (old >= 0n && state.metaData.configuration['delta.enableExpiredLogCleanup'] !== 'false')
        await store.delete(checksumKey(path, old))
    }
    summing = store.putIfAbsent(checksumKey(path, state.version), body).then(drop).then(done, done)
  }
  return {
    found({ state, checkpoint }) {
      last = checkpoint < 0n ? null : checkpoint
      overdue = state.version - checkpoint >= 2n * intervalOf(options, state)
    },
    committed(state) {
      sum(state)
      checkpointIfDue(state)
    },
    async settled() {
      await summing
      await writing
      await cleaning
    },
  }
}

function isSmall(state: TableState): boolean {
  return filesOf(state) <= smallFiles
}

/** Files that a checkpoint holds, as far as they are known. */
function filesOf({ contents, totals }: TableState): number {
  return contents === null ? (totals?.files ?? 0) : contents.files.size + contents.tombstones.size
}

function intervalOf(options: CheckpointingOptions, state: TableState): bigint {
  const own = state.metaData.configuration['delta.checkpointInterval'] ?? ''
  const interval = /^[1-9]\d*$/.test(own) ? BigInt(own) : BigInt(options.checkpointInterval ?? 10)
  return interval < 1n ? 1n : interval
}
