/** Action reconciliation (PROTOCOL.md): folds log entries into the state of a table. Pure. */
import { MillraceError } from '../../engine/errors.ts'
import type { Column } from '../../engine/schema.ts'
import type { AddFile, CommitInfo, MetaData, Protocol, RemoveFile } from './actions.ts'
import { deletionVectorId } from './deletion-vectors/deletion-vector.ts'
import { draftOf } from './layered-map.ts'
import { commitInfoOf } from './log-entry.ts'
import { assertReadable } from './protocol.ts'
import { parseSchema } from './schema.ts'
import type { LiveFiles, LogEntry, TableHead } from './table.ts'

/** A table at one version, and what else is kept of it. */
export interface TableState extends TableHead {
  /** Null: not read yet. */
  readonly contents: TableContents | null
  /** Null: not known, since another writer left entries that do not tell. */
  readonly totals: FileTotals | null
}

/** What a log checkpoint must keep of files. */
export interface TableContents {
  readonly files: LiveFiles
  /** Latest `remove` per logical file that no later `add` took back. */
  readonly tombstones: ReadonlyMap<string, RemoveFile>
}

/** What the live files are together. */
export interface FileTotals {
  readonly files: number
  readonly sizeBytes: bigint
}

/** Contents of a table before its first entry. */
export const noContents: TableContents = { files: new Map(), tombstones: new Map() }

/**
 * The state after more entries, in ascending order of versions; `base` null begins the table, and one without its
 * contents gives one without. `base` stays as it is. `TABLE_CORRUPT` if protocol or metadata is missing,
 * `TABLE_UNSUPPORTED` if we cannot read the result.
 */
export function replay(table: string, base: TableState | null, entries: Iterable<LogEntry>): TableState {
  const fold = openFold(table, base)
  for (const entry of entries) fold.add(entry)
  return fold.finish()
}

/** The state without tombstones of before a time: what is kept in memory must not grow with every commit. */
export function withoutOldTombstones(state: TableState, beforeMs: number): TableState {
  if (state.contents === null) return state
  const { files, tombstones } = state.contents
  const young = [...tombstones].filter(([, remove]) => Number(remove.deletionTimestamp ?? 0n) >= beforeMs)
  return { ...state, contents: { files, tombstones: new Map(young) } }
}

/** A replay under way: entries in ascending order of version, without gaps. */
export interface Fold {
  add(entry: LogEntry): void
  /** The state after the entries added so far; nothing may be added afterwards. */
  finish(): TableState
}

/** {@link replay} for entries that arrive one by one. */
export function openFold(table: string, base: TableState | null): Fold {
  let version = base?.version ?? -1n
  let protocol: Protocol | null = base?.protocol ?? null
  let metaData: MetaData | null = base?.metaData ?? null
  let commitInfo: CommitInfo | null = base?.commitInfo ?? null
  const txns = draftOf(base?.txns)
  const files =
    base?.contents === null ? countFiles(base.totals) : foldFiles(base?.contents ?? noContents, base?.totals)
  return {
    add(entry) {
      files.add(entry)
      for (const action of entry.actions)
        if ('txn' in action) txns.set(action.txn.appId, action.txn)
        else if ('metaData' in action) metaData = action.metaData
        else if ('protocol' in action) protocol = action.protocol
      version = entry.version
      commitInfo = commitInfoOf(entry)
    },
    finish() {
      if (protocol === null) throw missing(table, version, 'protocol')
      assertReadable(table, protocol)
      if (metaData === null) throw missing(table, version, 'metaData')
      const columns: readonly Column[] = sameSchema(base, metaData) ? base!.columns : parseSchema(metaData.schemaString)
      return { version, protocol, metaData, columns, txns: txns.finish(), commitInfo, ...files.finish() }
    },
  }
}

/** The contents after more entries. */
export function replayContents(base: TableContents, entries: Iterable<LogEntry>): TableContents {
  const fold = foldFiles(base)
  for (const entry of entries) fold.add(entry)
  return fold.finish().contents
}

interface FileFold<C extends TableContents | null> {
  add(entry: LogEntry): void
  finish(): { readonly contents: C; readonly totals: FileTotals | null }
}

function foldFiles(base: TableContents, known: FileTotals | null = null): FileFold<TableContents> {
  const files = draftOf(base.files)
  const tombstones = draftOf(base.tombstones)
  const totals = { ...(known ?? totalsOf(base.files)) }
  const forget = (key: string): void => {
    const before = files.get(key)
    if (before === undefined) return
    totals.files -= 1
    totals.sizeBytes -= before.size
    files.delete(key)
  }
  return {
    add(entry) {
      // within one entry a path may be both removed and added: what was added stays, whatever the order of the lines
      for (const action of entry.actions) {
        if (!('remove' in action)) continue
        const key = logicalFile(action.remove)
        forget(key)
        tombstones.set(key, action.remove)
      }
      for (const action of entry.actions) {
        if (!('add' in action)) continue
        const key = logicalFile(action.add)
        forget(key)
        files.set(key, action.add)
        tombstones.delete(key)
        totals.files += 1
        totals.sizeBytes += action.add.size
      }
    },
    finish: () => ({ contents: { files: files.finish(), tombstones: tombstones.finish() }, totals }),
  }
}

/** The totals alone, as long as entries tell how they change them. */
function countFiles(base: FileTotals | null): FileFold<null> {
  let totals = base
  return {
    add(entry) {
      if (totals !== null) totals = countedOn(totals, entry)
    },
    finish: () => ({ contents: null, totals }),
  }
}

function countedOn(before: FileTotals, { actions }: LogEntry): FileTotals | null {
  let { files, sizeBytes } = before
  let replaces = false
  for (const action of actions) {
    if (!('remove' in action)) continue
    if (action.remove.size === undefined) return null
    replaces = true
    files -= 1
    sizeBytes -= action.remove.size
  }
  for (const action of actions) {
    if (!('add' in action)) continue
    // one that changes nothing and replaces nothing may repeat a file that is there, for its statistics say
    if (!action.add.dataChange && !replaces) return null
    files += 1
    sizeBytes += action.add.size
  }
  return { files, sizeBytes }
}

function totalsOf(files: LiveFiles): FileTotals {
  let sizeBytes = 0n
  for (const add of files.values()) sizeBytes += add.size
  return { files: files.size, sizeBytes }
}

/**
 * What tells two logical files apart (PROTOCOL.md, "Action Reconciliation"): the path, and with it the deletion vector, so that
 * the same file with other rows deleted is another one.
 */
export function logicalFile({ path, deletionVector }: Pick<AddFile, 'path' | 'deletionVector'>): string {
  return deletionVector === undefined ? fileKey(path) : `${fileKey(path)} ${deletionVectorId(deletionVector)}`
}

/**
 * What tells two data files apart: the path as it stands, except that an absolute local path may be written with or
 * without its scheme.
 */
export function fileKey(path: string): string {
  return /^file:\/*/.test(path) ? path.replace(/^file:\/*/, '/') : path
}

function sameSchema(base: TableState | null, metaData: MetaData): boolean {
  return base !== null && base.metaData.schemaString === metaData.schemaString
}

function missing(table: string, version: bigint, action: string): MillraceError {
  return new MillraceError(
    'TABLE_CORRUPT',
    `delta table ${table}: there is no ${action} action up to version ${version} (restore the log from a copy)`,
    { context: { table, version } },
  )
}
