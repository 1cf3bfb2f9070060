/** A Delta table over an object store. */
import type { Clock, Ids, ObjectStore } from '../../engine/contracts.ts'
import type { Duckdb } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import { readCheckpoint } from './checkpoint-reader.ts'
import { commitTransaction } from './commit.ts'
import { type EarlierCheckpoint, writeCheckpoint } from './log-checkpoint.ts'
import { commitInfoOf } from './log-entry.ts'
import { hintKey } from './log-listing.ts'
import { logicalFile, type TableState } from './replay.ts'
import { extendState, type LoadedState, type LogReader, loadState, readEntries, readEntry } from './snapshot.ts'
import type { DeltaTable, Snapshot } from './table.ts'

export interface DeltaTableOptions {
  readonly store: ObjectStore
  /** Key prefix of the table, without slashes at its ends: `bronze/movies`. */
  readonly path: string
  /** Asked for only when a log checkpoint is read or written. */
  readonly duckdb: () => Promise<Duckdb>
  readonly clock: Clock
  readonly ids: Ids
  /** Commits between log checkpoints, unless the table says otherwise (`delta.checkpointInterval`); default 10. */
  readonly checkpointInterval?: number
  /** Existing local folder for unfinished files. */
  readonly stagingDir: string
  /** Told why a log checkpoint could not be written; the commit stands all the same. */
  readonly onCheckpointFailed?: (error: unknown) => void
}

/** After this long it is made sure that the remembered snapshot still belongs to the table that stands there. */
const verifyAfterMs = 60_000

/**
 * Opens a table, which need not exist; nothing is read before the first call. The newest snapshot is kept and extended
 * by the entries written since, so that a long-running writer does not read its log twice.
 */
export function openDeltaTable(options: DeltaTableOptions): DeltaTable {
  const { store, path, clock, ids } = options
  const reader: LogReader = {
    store,
    table: path,
    readCheckpoint: async (checkpoint) =>
      readCheckpoint({ store, table: path, duckdb: await options.duckdb() }, checkpoint),
  }
  const checkpoints = openCheckpointing(options, reader)
  let newest: TableState | null = null
  let verifiedMs = 0

  function keep(state: TableState): void {
    if (newest === null || state.version > newest.version) newest = state
  }
  async function load(version: bigint | null): Promise<TableState | null> {
    const loaded = await loadState(reader, version)
    if (loaded === null || version !== null) return loaded?.state ?? null
    checkpoints.found(loaded)
    verifiedMs = clock.nowMs()
    newest = loaded.state
    return newest
  }
  /** Another table may stand there by now, or the log may have been cleaned past what is remembered. */
  async function isOutdated(state: TableState): Promise<boolean> {
    if (clock.nowMs() - verifiedMs < verifyAfterMs) return false
    const entry = await readEntry(reader, state.version)
    verifiedMs = clock.nowMs()
    return entry === null || (state.txnId !== null && commitInfoOf(entry)?.txnId !== state.txnId)
  }
  async function current(): Promise<TableState | null> {
    if (newest === null || (await isOutdated(newest))) {
      newest = null
      return load(null)
    }
    const extended = await extendState(reader, newest)
    keep(extended)
    return extended
  }
  /** Snapshots that a table gave out are states; one of another origin is read again. */
  async function stateOf(snapshot: Snapshot | null): Promise<TableState | null> {
    if (snapshot === null || 'tombstones' in snapshot) return snapshot as TableState | null
    return load(snapshot.version)
  }
  return {
    path,
    async snapshot(version) {
      if (version === undefined) return current()
      return newest?.version === version ? newest : load(version)
    },
    entries: (start, end) => readEntries(reader, { start, end }),
    settled: () => checkpoints.settled(),
    async commit(transaction) {
      let state = await stateOf(transaction.snapshot)
      const seen = (next: TableState): void => {
        keep(next)
        state = next
      }
      const result = await commitTransaction({ store, table: path, clock, ids, seen }, transaction, state)
      if (result.kind === 'committed' && state !== null) await checkpoints.committed(state)
      return result
    },
  }
}

interface Checkpointing {
  /** Told what was found when the log was read from the beginning. */
  found(loaded: LoadedState): void
  /**
   * Writes a log checkpoint if the version that was just committed is due for one. That of a large table is not waited for:
   * commits go on beside it.
   */
  committed(state: TableState): Promise<void>
  /** Resolves when nothing is being written any more. */
  settled(): Promise<void>
}

/** Up to so many files a checkpoint takes no longer than a commit may. */
const smallFiles = 5000
/** Above, a checkpoint is due after as many commits as there are times this many files. */
const filesPerCommit = 10_000

/** Whoever commits a multiple of the interval writes its checkpoint; one that was missed is made up for. */
function openCheckpointing(options: DeltaTableOptions, reader: LogReader): Checkpointing {
  const { store, path, clock, ids, stagingDir } = options
  let overdue = false
  /** The newest that is known of. */
  let last: bigint | null = null
  let writing: Promise<void> | null = null

  /** Best effort: the table is whole without a checkpoint, and the commit before it must be reported as done. */
  async function attempt<T>(work: () => Promise<T>): Promise<T | null> {
    try {
      return await work()
    } catch (error) {
      overdue = true
      options.onCheckpointFailed?.(error)
      return null
    }
  }
  async function write(state: TableState): Promise<void> {
    const hint = await attempt(async () => {
      const duckdb = await options.duckdb()
      const earlier = await earlierThan(state)
      last = null // should this fail, the next one is made from the state alone
      const writer = { store, table: path, duckdb, stagingDir, name: ids.uuid(), nowMs: clock.nowMs() }
      return writeCheckpoint(writer, state, earlier)
    })
    if (hint === null) return
    last = state.version
    faultPoint('log-checkpoint-written')
    await attempt(() => store.put(hintKey(path), hint))
  }
  /** Null where entries since then are not there any more, and for a table so small that reading them saves nothing. */
  async function earlierThan(state: TableState): Promise<EarlierCheckpoint | null> {
    if (last === null || last >= state.version || isSmall(state)) return null
    const touched = new Set<string>()
    try {
      for await (const { actions } of readEntries(reader, { start: last + 1n, end: state.version + 1n }))
        for (const action of actions) {
          if ('add' in action) touched.add(logicalFile(action.add))
          if ('remove' in action) touched.add(logicalFile(action.remove))
        }
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'SOURCE_RANGE_LOST') return null
      throw error
    }
    return { version: last, touched }
  }
  return {
    found({ state, checkpoint }) {
      last = checkpoint < 0n ? null : checkpoint
      overdue = state.version - checkpoint >= 2n * intervalOf(options, state)
    },
    async committed(state) {
      const interval = intervalOf(options, state)
      if (!(state.version > 0n && state.version % interval === 0n) && !overdue) return
      if (writing !== null) {
        overdue = true
        return
      }
      overdue = false
      if (isSmall(state)) return write(state)
      if (last !== null && state.version - last < BigInt(Math.floor(filesOf(state) / filesPerCommit))) return
      writing = write(state).finally(() => {
        writing = null
      })
      writing.catch(() => {}) // told by `settled`
    },
    settled: async () => writing ?? undefined,
  }
}

function isSmall(state: TableState): boolean {
  return filesOf(state) <= smallFiles
}

/** Files that a checkpoint holds. */
function filesOf({ files, tombstones }: TableState): number {
  return files.size + tombstones.size
}

function intervalOf(options: DeltaTableOptions, state: TableState): bigint {
  const own = state.metaData.configuration['delta.checkpointInterval'] ?? ''
  const interval = /^[1-9]\d*$/.test(own) ? BigInt(own) : BigInt(options.checkpointInterval ?? 10)
  return interval < 1n ? 1n : interval
}
