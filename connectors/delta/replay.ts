/** Action reconciliation (PROTOCOL.md): folds log entries into the state of a table. Pure. */
import { MillraceError } from '../../engine/errors.ts'
import type { Column } from '../../engine/schema.ts'
import type { Action, AddFile, MetaData, Protocol, RemoveFile } from './actions.ts'
import { deletionVectorId } from './deletion-vectors/deletion-vector.ts'
import { draftOf } from './layered-map.ts'
import { commitInfoOf } from './log-entry.ts'
import { assertReadable } from './protocol.ts'
import { parseSchema } from './schema.ts'
import type { LogEntry, Snapshot } from './table.ts'

/** A snapshot and what else a log checkpoint must keep. */
export interface TableState extends Snapshot {
  /** Latest `remove` per logical file that no later `add` took back. */
  readonly tombstones: ReadonlyMap<string, RemoveFile>
  /** `txnId` of the entry at this version; null if it has none or only a checkpoint was read. */
  readonly txnId: string | null
}

/**
 * The state after more entries, in ascending order of versions; `base` null begins the table. `base` stays as it is.
 * `TABLE_CORRUPT` if protocol or metadata is missing, `TABLE_UNSUPPORTED` if we cannot read the result.
 */
export function replay(table: string, base: TableState | null, entries: Iterable<LogEntry>): TableState {
  const fold = openFold(table, base)
  for (const entry of entries) fold.add(entry)
  return fold.finish()
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
  let txnId: string | null = base?.txnId ?? null
  const files = draftOf(base?.files)
  const tombstones = draftOf(base?.tombstones)
  const txns = draftOf(base?.txns)

  function apply(action: Action): void {
    if ('add' in action) {
      const key = logicalFile(action.add)
      files.set(key, action.add)
      tombstones.delete(key)
    } else if ('remove' in action) {
      const key = logicalFile(action.remove)
      files.delete(key)
      tombstones.set(key, action.remove)
    } else if ('txn' in action) txns.set(action.txn.appId, action.txn)
    else if ('metaData' in action) metaData = action.metaData
    else if ('protocol' in action) protocol = action.protocol
  }
  return {
    add(entry) {
      // within one entry a path may be both removed and added: what was added stays, whatever the order of the lines
      for (const action of entry.actions) if ('remove' in action) apply(action)
      for (const action of entry.actions) if (!('remove' in action)) apply(action)
      version = entry.version
      txnId = commitInfoOf(entry)?.txnId ?? null
    },
    finish() {
      if (protocol === null) throw missing(table, version, 'protocol')
      assertReadable(table, protocol)
      if (metaData === null) throw missing(table, version, 'metaData')
      const columns: readonly Column[] = sameSchema(base, metaData) ? base!.columns : parseSchema(metaData.schemaString)
      const kept = { files: files.finish(), txns: txns.finish(), tombstones: tombstones.finish() }
      return { version, protocol, metaData, columns, ...kept, txnId }
    },
  }
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
