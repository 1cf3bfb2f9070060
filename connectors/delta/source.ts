/** A Delta table as a source: its versions are the offsets, its id the source partition. */
import { join } from 'node:path'
import type {
  Ids,
  Limits,
  ObjectStore,
  Position,
  Range,
  TableInput,
  TableInputFile,
  TableSource,
} from '../../engine/contracts.ts'
import type { Duckdb } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { MetaData } from './actions.ts'
import { addedFiles, changeColumns, changedFiles, type VersionSize, versionSize } from './change-feed.ts'
import { readEntries } from './history.ts'
import { localVersionFile, plainFiles } from './plain-files.ts'
import { parseSchema } from './schema.ts'
import type { DeltaTable, LogEntry, Snapshot } from './table.ts'

export interface TableSourceOptions {
  readonly table: DeltaTable
  readonly store: ObjectStore
  /** Rows inserted, updated and deleted instead of rows added. */
  readonly changeFeed: boolean
  /** Asked for only when files have to be written anew to be read. */
  readonly duckdb: () => Promise<Duckdb>
  readonly ids: Ids
}

interface State extends TableSourceOptions {
  /** Id of the table that was seen first: another one under the same path is another source. */
  id: string | null
  /** What versions hold, as far as it was looked at and is still to be read. */
  readonly sizes: Map<bigint, VersionSize>
  /** Schema just before a version: that of the range that was read last. */
  schemaBefore: { readonly version: bigint; readonly metaData: MetaData } | null
}

/**
 * Reads a table version by version, from its first. A table that does not exist yet has nothing to read. One that was
 * dropped and made anew is refused by name, since its versions are not the ones that positions speak of.
 */
export function deltaSource(options: TableSourceOptions): TableSource {
  const state: State = { ...options, id: null, sizes: new Map(), schemaBefore: null }
  return {
    shape: 'table',
    start: () => position(state, () => 0n),
    latest: () => position(state, (snapshot) => snapshot.version + 1n),
    cut: (range, limits) => cutVersions(state, range, limits),
    count: (range) => countRecords(state, range),
    files: (range, stagingDir) => readRange(state, range, stagingDir),
    async commitOffsets() {},
    async close() {},
  }
}

async function position(state: State, of: (snapshot: Snapshot) => bigint): Promise<Position> {
  const snapshot = await currentSnapshot(state)
  return snapshot === null ? new Map() : new Map([[snapshot.metaData.id, of(snapshot)]])
}

async function currentSnapshot(state: State): Promise<Snapshot | null> {
  const snapshot = await state.table.snapshot()
  if (snapshot === null) {
    if (state.id === null) return null
    throw new MillraceError(
      'SOURCE_NOT_FOUND',
      `table ${state.table.path} is gone (it was there when the pipeline started)`,
    )
  }
  state.id ??= snapshot.metaData.id
  checkId(state, state.id, snapshot)
  return snapshot
}

function checkId(state: State, expected: string, snapshot: Snapshot): void {
  if (snapshot.metaData.id === expected) return
  throw new MillraceError(
    'SOURCE_RANGE_LOST',
    `table ${state.table.path} was dropped and made anew: its id is ${snapshot.metaData.id}, not ${expected} (rebuild the tables that were made from it, or run the pipeline under another name)`,
  )
}

async function snapshotFor(state: State, range: Range): Promise<Snapshot> {
  const snapshot = await currentSnapshot(state)
  if (snapshot === null)
    throw new MillraceError(
      'SOURCE_NOT_FOUND',
      `table ${state.table.path} does not exist (run the pipeline that writes it)`,
    )
  checkId(state, range.sourcePartition, snapshot)
  return snapshot
}

async function cutVersions(
  state: State,
  range: Range,
  limits: Pick<Limits, 'maxRecords' | 'maxBytes'>,
): Promise<Range> {
  await snapshotFor(state, range)
  for (const version of state.sizes.keys()) if (version < range.start) state.sizes.delete(version)
  let [end, records, sizeBytes] = [range.start, 0, 0]
  for await (const size of versionSizes(state, range)) {
    records += size.records
    sizeBytes += size.sizeBytes
    if (end > range.start && (records > limits.maxRecords || sizeBytes > limits.maxBytes)) break
    end += 1n
  }
  return { ...range, end }
}

async function countRecords(state: State, range: Range): Promise<number> {
  await snapshotFor(state, range)
  let records = 0
  for await (const size of versionSizes(state, range)) records += size.records
  return records
}

async function* versionSizes(state: State, range: Range): AsyncGenerator<VersionSize> {
  let version = range.start
  for (; version < range.end; version += 1n) {
    const known = state.sizes.get(version)
    if (known === undefined) break
    yield known
  }
  if (version === range.end) return
  for await (const entry of state.table.entries(version, range.end)) {
    const size = versionSize(entry, state.changeFeed)
    state.sizes.set(entry.version, size)
    yield size
  }
}

async function readRange(state: State, range: Range, stagingDir: string): Promise<TableInput> {
  const { store, table, changeFeed, duckdb, ids } = state
  const head = await snapshotFor(state, range)
  const entries = await readEntries(table, range.start, range.end)
  const metaData = await metaDataAfter(state, range, entries, head)
  state.schemaBefore = { version: range.end, metaData }
  const columns = parseSchema(metaData.schemaString)
  const plain = plainFiles({ metaData, columns, duckdb, nextPath: () => join(stagingDir, `${ids.uuid()}.parquet`) })
  const files: TableInputFile[] = []
  for (const entry of entries) {
    const found = changeFeed ? changedFiles(entry) : addedFiles(entry, table.path)
    for (const file of found) files.push(await plain(file, await localVersionFile(store, table.path, file)))
  }
  return { columns: changeFeed ? [...columns, ...changeColumns] : columns, files }
}

/** The table's metadata at the newest version of the range. */
async function metaDataAfter(
  state: State,
  range: Range,
  entries: readonly LogEntry[],
  head: Snapshot,
): Promise<MetaData> {
  if (range.end === head.version + 1n) return head.metaData
  for (const entry of entries.toReversed())
    for (const action of entry.actions) if ('metaData' in action) return action.metaData
  if (state.schemaBefore?.version === range.start) return state.schemaBefore.metaData
  const before = range.end === 0n ? null : await state.table.snapshot(range.end - 1n)
  return before?.metaData ?? head.metaData
}
