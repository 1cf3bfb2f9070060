/**
 * What one log entry gives a reader: the files with its rows, and how many there are. Pure. PROTOCOL.md, "Add CDC
 * File": where a version has files of the change feed, they say what changed; otherwise its data files do, added ones
 * as inserts and removed ones as deletes.
 */
import { MillraceError } from '../../engine/errors.ts'
import type { Column } from '../../engine/schema.ts'
import type { AddFile, DeletionVector, RemoveFile } from './actions.ts'
import { commitInfoOf } from './log-entry.ts'
import { fileKey } from './replay.ts'
import { rowsOf } from './statistics.ts'
import type { LogEntry } from './table.ts'

/** A file of one version with rows to read. */
export interface VersionFile {
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  /** Rows that are not meant. */
  readonly deletionVector?: DeletionVector
  /** With it: of its rows, only those that the other vector does not have, are meant. */
  readonly onlyIn?: DeletionVector
  /** Columns of the change feed that the file does not hold itself. */
  readonly constants: { readonly [column: string]: string | bigint }
}

/** How much the changes of one version are. */
export interface VersionSize {
  /** Rows to be read: exact where the writer left counts, else an upper bound. */
  readonly records: number
  readonly sizeBytes: number
}

/** What happened to a row. */
export const changeTypeColumn: Column = { name: '_change_type', type: 'string' }

/** The change feed's columns, after the table's own. */
export const changeColumns: readonly Column[] = [changeTypeColumn, { name: '_commit_version', type: 'long' }]

/**
 * Files with the rows that a version added. A version that took rows away or rewrote them is refused: its added files
 * repeat rows that were read before. Files that were only moved together (`dataChange` false) are left out.
 */
export function addedFiles(entry: LogEntry, tablePath: string): VersionFile[] {
  const { adds, removes } = dataChanges(entry)
  if (removes.length > 0)
    throw new MillraceError(
      'SOURCE_READ_FAILED',
      `table ${tablePath}: version ${entry.version} changed or removed rows, ${removes.length} files were replaced (read its change feed: changeFeed: true)`,
    )
  return adds.map((add) => versionFile(add, {}))
}

/**
 * Files with the rows that a version inserted, updated and deleted. A file that only got another deletion vector gives the
 * rows that the two vectors do not share.
 */
export function changedFiles(entry: LogEntry): VersionFile[] {
  const { cdc, adds, removes } = dataChanges(entry)
  const version = { _commit_version: entry.version }
  if (cdc.length > 0) return cdc.map(({ path, partitionValues }) => ({ path, partitionValues, constants: version }))
  const deleted = { ...version, _change_type: 'delete' }
  const inserted = { ...version, _change_type: 'insert' }
  const before = byFile(removes)
  const files: VersionFile[] = []
  for (const add of adds) {
    const remove = before.get(fileKey(add.path))
    if (remove === undefined) {
      files.push({ ...named(add), constants: inserted })
      continue
    }
    before.delete(fileKey(add.path))
    const { path, partitionValues } = add
    const [then, now] = [remove.deletionVector, add.deletionVector]
    if (now !== undefined) files.push({ path, partitionValues, ...without(then), onlyIn: now, constants: deleted })
    if (then !== undefined) files.push({ path, partitionValues, ...without(now), onlyIn: then, constants: inserted })
  }
  return [...[...before.values()].map((remove) => ({ ...named(remove), constants: deleted })), ...files]
}

function byFile(removes: readonly RemoveFile[]): Map<string, RemoveFile> {
  return new Map(removes.map((remove) => [fileKey(remove.path), remove]))
}

/** All rows of a live file. */
export function versionFile(add: AddFile, constants: VersionFile['constants']): VersionFile {
  return { ...named(add), constants }
}

function named({ path, partitionValues = {}, deletionVector }: AddFile | RemoveFile) {
  return { path, partitionValues, ...without(deletionVector) }
}

function without(deletionVector: DeletionVector | undefined) {
  return deletionVector === undefined ? {} : { deletionVector }
}

/** How much there is to read of a version, without opening a file. */
export function versionSize(entry: LogEntry, changeFeed: boolean): VersionSize {
  const { cdc, adds, removes } = dataChanges(entry)
  const before = byFile(removes)
  const isMarked = (add: AddFile) => before.has(fileKey(add.path))
  const [marked, fresh] = [adds.filter(isMarked), adds.filter((add) => !isMarked(add))]
  const inFresh = fresh.reduce((sum, add) => sum + recordsIn(add), 0)
  const inMarked = marked.reduce((sum, add) => sum + recordsBetween(before.get(fileKey(add.path))!, add), 0)
  const added = inFresh + inMarked
  if (!changeFeed || (cdc.length === 0 && removes.length === 0)) return { records: added, sizeBytes: bytesOf(adds) }
  if (cdc.length > 0) return { records: countedChanges(entry) ?? added, sizeBytes: bytesOf(cdc) }
  const sizeBytes = bytesOf(adds) + bytesOf(removes)
  if (removes.length === marked.length) return { records: added, sizeBytes }
  // The rows of a file that is gone are not counted in the log; those that were put in its place are the best guess.
  return { records: inMarked + Math.max(1, inFresh) * 2, sizeBytes }
}

function dataChanges(entry: LogEntry) {
  const adds: AddFile[] = []
  const removes: RemoveFile[] = []
  const cdc = entry.actions.flatMap((action) => ('cdc' in action ? [action.cdc] : []))
  for (const action of entry.actions) {
    if ('add' in action && action.add.dataChange) adds.push(action.add)
    if ('remove' in action && action.remove.dataChange) removes.push(action.remove)
  }
  return { adds, removes, cdc }
}

/** An update is two rows of the feed: before and after. Null for what its writer did not count. */
function countedChanges(entry: LogEntry): number | null {
  const { operation, operationMetrics: metrics = {} } = commitInfoOf(entry) ?? {}
  const metric = (name: string) => Number(metrics[name] ?? Number.NaN)
  const [inserted, updated, deleted] = ['Inserted', 'Updated', 'Deleted'].map((what) => metric(`numTargetRows${what}`))
  const count =
    operation === 'DELETE'
      ? metric('numDeletedRows')
      : operation === 'UPDATE'
        ? 2 * metric('numUpdatedRows')
        : inserted! + 2 * updated! + deleted!
  return Number.isFinite(count) ? count : null
}

/** Of a file that only got another deletion vector, the rows that the two do not share. */
function recordsBetween(before: RemoveFile, add: AddFile): number {
  const [then, now] = [before, add].map(({ deletionVector }) => Number(deletionVector?.cardinality ?? 0n))
  return Math.abs(now! - then!)
}

/** Rows of a file that count: exact where its writer left a count, else a guess. */
export function recordsIn(add: AddFile): number {
  return Number(rowsOf(add) ?? add.size / assumedRowBytes)
}

/** For files of writers that leave no statistics. */
const assumedRowBytes = 100n

function bytesOf(files: readonly { readonly size?: bigint }[]): number {
  return files.reduce((sum, file) => sum + Number(file.size ?? 0n), 0)
}
