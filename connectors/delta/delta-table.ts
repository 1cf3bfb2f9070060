/** A Delta table over an object store. */
import { readCheckpoint } from './checkpoint-reader.ts'
import { openCheckpointing } from './checkpointing.ts'
import { commitTransaction } from './commit.ts'
import { entryKey, isSameCommit, parseCommitInfo } from './log-entry.ts'
import { type TableContents, type TableState, withoutOldTombstones } from './replay.ts'
import { leastAgeMs, retentionMs } from './retention.ts'
import { extendState, type LogReader, loadState, readEntries } from './snapshot.ts'
import type { DeltaTable, Snapshot } from './table.ts'
import type { DeltaTableOptions } from './table-options.ts'

/** Above, those that are long past their retention are dropped from memory. */
const fewTombstones = 1000

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
  const checkpoints = openCheckpointing({ ...options, reader, contentsOf })
  /** States behind the snapshots that were given out. */
  const states = new WeakMap<Snapshot, TableState>()
  let newest: TableState | null = null
  let mostTombstones = fewTombstones

  function keep(state: TableState): void {
    if (newest === null || state.version > newest.version) newest = pruned(state)
  }
  /** A vacuum has had time enough to see those that are dropped. */
  function pruned(state: TableState): TableState {
    if ((state.contents?.tombstones.size ?? 0) <= mostTombstones) return state
    const left = withoutOldTombstones(state, clock.nowMs() - Number(retentionMs(state.metaData)) - leastAgeMs)
    mostTombstones = Math.max(fewTombstones, 2 * (left.contents?.tombstones.size ?? 0))
    return left
  }
  /** Whether a state is still that of the table that stands there: another may have been made in its place. */
  async function isStanding({ version, commitInfo }: TableState): Promise<boolean> {
    const key = entryKey(path, version)
    const body = await store.get(key)
    if (body === null) return commitInfo === null // the log was cleaned up to its newest checkpoint
    return isSameCommit(parseCommitInfo(key, body), commitInfo)
  }
  /** The newest state together with the entries since, all of them of one table; null where that cannot be said. */
  async function extended(): Promise<TableState | null> {
    const base = newest
    if (base === null) return null
    const extension = extendState(reader, base)
    extension.catch(() => {}) // what it is worth is known below
    if (!(await isStanding(base))) return null
    const state = await extension
    keep(state)
    return state
  }
  async function current(): Promise<TableState | null> {
    const state = await extended()
    if (state !== null) return state
    const loaded = await loadState(reader, { version: null, contents: false })
    newest = loaded?.state ?? null
    if (loaded === null) return null
    checkpoints.found(loaded)
    return newest
  }
  async function at(version: bigint): Promise<TableState | null> {
    if (newest?.version === version) return newest
    return (await loadState(reader, { version, contents: false }))?.state ?? null
  }
  /** Read once for the newest version: entries that follow then extend it. */
  async function contentsOf(state: TableState): Promise<TableContents> {
    if (state.contents !== null) return state.contents
    const loaded = await loadState(reader, { version: state.version, contents: true })
    const { contents, totals } = loaded!.state
    if (newest?.version === state.version) newest = { ...newest, contents, totals }
    return contents!
  }
  function snapshotOf(state: TableState | null): Snapshot | null {
    if (state === null) return null
    let reading: Promise<TableContents> | null = null
    const read = async (): Promise<TableContents> => {
      try {
        const contents = await contentsOf(state)
        states.set(snapshot, { ...state, contents })
        return contents
      } catch (error) {
        reading = null // may be there when it is asked for again
        throw error
      }
    }
    const contentsOnce = (): Promise<TableContents> => {
      reading ??= read()
      return reading
    }
    const { contents, totals, ...head } = state
    const snapshot: Snapshot = {
      ...head,
      fileCount: totals?.files ?? null,
      files: async () => (await contentsOnce()).files,
      tombstones: async () => (await contentsOnce()).tombstones,
    }
    states.set(snapshot, state)
    return snapshot
  }
  return {
    path,
    snapshot: async (version) => snapshotOf(await (version === undefined ? current() : at(version))),
    entries: (start, end) => readEntries(reader, { start, end }),
    settled: () => checkpoints.settled(),
    async commit(transaction) {
      const { snapshot } = transaction
      let state = snapshot === null ? null : (states.get(snapshot) ?? (await at(snapshot.version)))
      const seen = (next: TableState): void => {
        keep(next)
        state = next
      }
      const result = await commitTransaction({ store, table: path, clock, ids, seen }, transaction, state)
      if (result.kind === 'committed' && state !== null) checkpoints.committed(state)
      return result
    },
  }
}
