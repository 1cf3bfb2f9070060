/**
 * Writing the files of a table together: fewer, larger ones, without the rows that deletion vectors take out. The table's rows
 * stay what they are, so that its readers have nothing to read again (`dataChange` false).
 */
import { MillraceError } from '../../engine/errors.ts'
import type { AddFile } from './actions.ts'
import { partitionKey } from './partitions/pruning.ts'
import { assertWritable } from './protocol.ts'
import { type Layout, type RewriteOptions, rewriteFiles, sizeOf } from './rewrite.ts'
import { rowsOf } from './statistics.ts'
import type { Snapshot } from './table.ts'

/** See {@link Layout}: with an order, all files are written anew, else the small ones and those with many rows deleted. */
export interface OptimizeOptions extends RewriteOptions, Layout {
  /** Ends the work between two commits; what is done is done. */
  readonly signal: AbortSignal
}

/** What became of the files. */
export interface Optimized {
  readonly filesBefore: number
  readonly filesAfter: number
  readonly bytesRead: bigint
  readonly bytesWritten: bigint
  /** Files of one commit that another writer changed meanwhile: they are left as they are. */
  readonly conflicts: number
}

/** So many files are put in an order together: DuckDB keeps their rows, on disk where memory is short. */
const orderedTogether = 32n

/** Files of which so much is deleted are written anew, however large they are. */
const mostDeleted = 0.05

/**
 * Files are taken as they lie in the log, and committed in groups that each become one file, or in an order some: a group that meets another
 * writer's change is given up, and no writer of other rows is ever in the way or held up. `TABLE_NOT_FOUND`,
 * `TABLE_UNSUPPORTED`, `CONFIG_INVALID` for columns that are not there.
 */
export async function optimizeTable(options: OptimizeOptions): Promise<Optimized> {
  const { table } = options.target
  const snapshot = await table.snapshot()
  if (snapshot === null) throw new MillraceError('TABLE_NOT_FOUND', `table ${table.path} does not exist`)
  refuseUnfit(table.path, snapshot, options)
  const files = [...(await snapshot.files()).values()]
  const groups = groupsOf(files, options)
  const result = { filesBefore: files.length, filesAfter: files.length, conflicts: 0 }
  let [bytesRead, bytesWritten] = [0n, 0n]
  for (const group of groups) {
    if (options.signal.aborted) break
    const written = await rewriteFiles(options, snapshot, group, options)
    if (written === null) {
      result.conflicts += 1
      continue
    }
    result.filesAfter += written.length - group.length
    bytesRead += sizeOf(group)
    bytesWritten += sizeOf(written)
  }
  return { ...result, bytesRead, bytesWritten }
}

function refuseUnfit(path: string, snapshot: Snapshot, { order }: Layout): void {
  const { protocol, metaData, columns } = snapshot
  assertWritable(path, protocol, metaData)
  const missing = (order?.columns ?? []).filter((name) => !columns.some((column) => column.name === name))
  if (missing.length > 0)
    throw new MillraceError(
      'CONFIG_INVALID',
      `table ${path} has no column ${missing.join(', ')} (it has ${columns.map(({ name }) => name).join(', ')})`,
    )
}

/** Files that are worth writing together, of one partition each. With an order to be made, all are. */
function groupsOf(files: readonly AddFile[], options: OptimizeOptions): AddFile[][] {
  const partitions = Map.groupBy(files, (file) => partitionKey(file.partitionValues))
  return [...partitions.values()].flatMap((each) => groupsIn(each, options))
}

function groupsIn(files: readonly AddFile[], { targetBytes, order }: OptimizeOptions): AddFile[][] {
  const chosen = order !== null ? files : files.filter((file) => isSmall(file, targetBytes) || isFullOfHoles(file))
  const mostBytes = order === null ? targetBytes : targetBytes * orderedTogether
  const groups: AddFile[][] = []
  let sizeBytes = 0n
  for (const file of chosen) {
    if (groups.length === 0 || (sizeBytes + file.size > mostBytes && sizeBytes > 0n)) {
      groups.push([])
      sizeBytes = 0n
    }
    groups.at(-1)!.push(file)
    sizeBytes += file.size
  }
  return groups.filter((group) => group.length > 1 || order !== null || isFullOfHoles(group[0]!))
}

function isSmall(file: AddFile, targetBytes: bigint): boolean {
  return file.size < (targetBytes * 3n) / 4n
}

function isFullOfHoles(file: AddFile): boolean {
  const [rows, deleted] = [rowsOf(file), file.deletionVector?.cardinality ?? 0n]
  return deleted > 0n && (rows === null || Number(deleted) > Number(rows + deleted) * mostDeleted)
}
