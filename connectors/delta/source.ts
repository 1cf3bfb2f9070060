/** A Delta table as a source: its versions are the offsets, its id the source partition. */
import { join } from 'node:path'
import type {
  Clock,
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
import { isWhole } from './beginning.ts'
import {
  addedFiles,
  changeColumns,
  changedFiles,
  recordsIn,
  type VersionFile,
  type VersionSize,
  versionFile,
  versionSize,
} from './change-feed.ts'
import { readEntries } from './history.ts'
import { localVersionFile, plainFiles } from './plain-files.ts'
import { registerReader } from './readers.ts'
import { parseSchema } from './schema.ts'
import type { DeltaTable, LogEntry, Snapshot } from './table.ts'

export interface TableSourceOptions {
  readonly table: DeltaTable
  readonly store: ObjectStore
  /** Rows inserted, updated and deleted instead of rows added. */
  readonly changeFeed: boolean
  /** Asked for only when files have to be written anew to be read. */
  readonly duckdb: () => Promise<Duckdb>
  readonly clock: Clock
  readonly ids: Ids
  /** Who reads: what it has not read yet is kept for it when the table is cleaned up. Nothing is for the nameless. */
  readonly pipeline?: string
}

interface State extends TableSourceOptions {
  /** Id of the table that was seen first: another one under the same path is another source. */
  id: string | null
  /** What versions hold, as far as it was looked at and is still to be read. */
  readonly sizes: Map<bigint, VersionSize>
  /** Versions before it are known to have deleted no files. */
  wholeTo: bigint
  /** What this reader last said that it has read up to. */
  registered: bigint | null
  /** Schema just before a version: that of the range that was read last. */
  schemaBefore: { readonly version: bigint; readonly metaData: MetaData } | null
}

/**
 * Reads a table version by version, from its first; where that is not to be had any more, the rows that the table has now
 * come first, as inserts, and what happens to them after. A table that does not exist yet, or has no columns yet, has nothing to read. One that was
 * dropped and made anew is refused by name, since its versions are not the ones that positions speak of.
 */
export function deltaSource(options: TableSourceOptions): TableSource {
  const state: State = { ...options, id: null, sizes: new Map(), wholeTo: 0n, registered: null, schemaBefore: null }
  return {
    shape: 'table',
    start: () => position(state, () => 0n),
    latest: () => position(state, (snapshot) => snapshot.version + 1n),
    cut: (range, limits) => cutVersions(state, range, limits),
    count: (range) => countRecords(state, range),
    files: (range, stagingDir) => readRange(state, range, stagingDir),
    async commitOffsets(end) {
      const version = state.id === null ? undefined : end.get(state.id)
      if (version !== undefined) await register(state, version)
    },
    async close() {},
  }
}

async function position(state: State, of: (snapshot: Snapshot) => bigint): Promise<Position> {
  const snapshot = await currentSnapshot(state)
  return snapshot === null || snapshot.columns.length === 0
    ? new Map()
    : new Map([[snapshot.metaData.id, of(snapshot)]])
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

/** Documents and typed rows are about so many times as large as the files that they lie in: a batch's limit is of what is read. */
const unpackedTimes = 8

async function cutVersions(
  state: State,
  range: Range,
  limits: Pick<Limits, 'maxRecords' | 'maxBytes'>,
): Promise<Range> {
  const head = await snapshotFor(state, range)
  if (await startsWithRows(state, range, head)) return range
  for (const version of state.sizes.keys()) if (version < range.start) state.sizes.delete(version)
  let [end, records, sizeBytes] = [range.start, 0, 0]
  for await (const size of versionSizes(state, range)) {
    records += size.records
    sizeBytes += size.sizeBytes * unpackedTimes
    if (end > range.start && (records > limits.maxRecords || sizeBytes > limits.maxBytes)) break
    end += 1n
  }
  return { ...range, end }
}

async function countRecords(state: State, range: Range): Promise<number> {
  const head = await snapshotFor(state, range)
  if (await startsWithRows(state, range, head)) return countRows(head)
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

/** Whether a range begins where nothing has been read yet and cannot be read version by version. */
async function startsWithRows(state: State, { start, end }: Range, head: Snapshot): Promise<boolean> {
  if (start > 0n || end === 0n) return false
  if (!(await isWhole(state.table, head, state.wholeTo))) return true
  state.wholeTo = head.version + 1n
  return false
}

async function countRows(snapshot: Snapshot): Promise<number> {
  let rows = 0
  for (const add of (await snapshot.files()).values()) rows += recordsIn(add)
  return rows
}

/** Before anything is read, so that it stays there; and when it has been written, to let it go. */
async function register(state: State, version: bigint): Promise<void> {
  const { store, table, pipeline, clock } = state
  if (pipeline === undefined || state.registered === version) return
  await registerReader(store, table.path, { pipeline, version, seenMs: clock.nowMs() })
  state.registered = version
}

async function readRange(state: State, range: Range, stagingDir: string): Promise<TableInput> {
  let head = await snapshotFor(state, range)
  if (state.registered === null) {
    await register(state, range.start)
    head = await snapshotFor(state, range) // it tells of a vacuum that did not see us among its readers
  }
  if (await startsWithRows(state, range, head)) return readRows(state, range, stagingDir)
  return readVersions(state, range, head, stagingDir)
}

/** The table as it is before `range.end`. */
async function readRows(state: State, range: Range, stagingDir: string): Promise<TableInput> {
  const { table, changeFeed } = state
  const version = range.end - 1n
  const snapshot = (await table.snapshot(version))!
  const constants: VersionFile['constants'] = changeFeed ? { _change_type: 'insert', _commit_version: version } : {}
  const files = [...(await snapshot.files()).values()].map((add) => versionFile(add, constants))
  state.schemaBefore = { version: range.end, metaData: snapshot.metaData }
  return inputOf(state, snapshot.metaData, files, stagingDir)
}

async function readVersions(state: State, range: Range, head: Snapshot, stagingDir: string): Promise<TableInput> {
  const { table, changeFeed } = state
  const entries = await readEntries(table, range.start, range.end)
  const metaData = await metaDataAfter(state, range, entries, head)
  state.schemaBefore = { version: range.end, metaData }
  const files = entries.flatMap((entry) => (changeFeed ? changedFiles(entry) : addedFiles(entry, table.path)))
  return inputOf(state, metaData, files, stagingDir)
}

async function inputOf(
  { store, table, changeFeed, duckdb, ids }: State,
  metaData: MetaData,
  found: readonly VersionFile[],
  stagingDir: string,
): Promise<TableInput> {
  const columns = parseSchema(metaData.schemaString)
  const plain = plainFiles({ metaData, columns, duckdb, nextPath: () => join(stagingDir, `${ids.uuid()}.parquet`) })
  const files: TableInputFile[] = []
  for (const file of found) files.push(await plain(file, await localVersionFile(store, table.path, file)))
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
