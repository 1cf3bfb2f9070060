/**
 * Writing the files of a table together: fewer, larger ones, without the rows that deletion vectors take out. The table's rows
 * stay what they are, so that its readers have nothing to read again (`dataChange` false).
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { type Duckdb, identifier } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { AddFile } from './actions.ts'
import { partitionKey } from './partitions/pruning.ts'
import { assertWritable } from './protocol.ts'
import { type LocalFile, localDataFile, selectFiles } from './read.ts'
import { rowsOf } from './statistics.ts'
import type { Snapshot } from './table.ts'
import { dropPublished, onTable, publishDataFile, publishing, removalOf, type WriteTarget } from './table-write.ts'

export interface OptimizeOptions {
  readonly target: Omit<WriteTarget, 'published'>
  readonly duckdb: () => Promise<Duckdb>
  /** Existing local folder, on the lake's own filesystem when that is local. */
  readonly stagingDir: string
  /** Size that files are written together to. */
  readonly targetBytes: bigint
  /** Columns that rows are put in the order of, so that readers who look for a few of their values open few files. */
  readonly sortBy: readonly string[]
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

/** Files of which so much is deleted are written anew, however large they are. */
const mostDeleted = 0.05

/**
 * Files are taken as they lie in the log, and committed in groups that each become one file: a group that meets another
 * writer's change is given up, and no writer of other rows is ever in the way or held up. `TABLE_NOT_FOUND`,
 * `TABLE_UNSUPPORTED`, `CONFIG_INVALID` for columns that are not there.
 */
export async function optimizeTable(options: OptimizeOptions): Promise<Optimized> {
  const { table } = options.target
  const snapshot = await table.snapshot()
  if (snapshot === null) throw new MillraceError('TABLE_NOT_FOUND', `table ${table.path} does not exist`)
  refuseUnfit(table.path, snapshot, options.sortBy)
  const files = [...(await snapshot.files()).values()]
  const groups = groupsOf(files, options)
  const result = { filesBefore: files.length, filesAfter: files.length, conflicts: 0 }
  let [bytesRead, bytesWritten] = [0n, 0n]
  for (const group of groups) {
    if (options.signal.aborted) break
    const written = await rewrite(options, snapshot, group)
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

function refuseUnfit(path: string, snapshot: Snapshot, sortBy: readonly string[]): void {
  const { protocol, metaData, columns } = snapshot
  assertWritable(path, protocol, metaData)
  const missing = sortBy.filter((name) => !columns.some((column) => column.name === name))
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

function groupsIn(files: readonly AddFile[], { targetBytes, sortBy }: OptimizeOptions): AddFile[][] {
  const chosen = sortBy.length > 0 ? files : files.filter((file) => isSmall(file, targetBytes) || isFullOfHoles(file))
  const groups: AddFile[][] = []
  let sizeBytes = 0n
  for (const file of chosen) {
    if (groups.length === 0 || (sizeBytes + file.size > targetBytes && sizeBytes > 0n)) {
      groups.push([])
      sizeBytes = 0n
    }
    groups.at(-1)!.push(file)
    sizeBytes += file.size
  }
  return groups.filter((group) => group.length > 1 || sortBy.length > 0 || isFullOfHoles(group[0]!))
}

function isSmall(file: AddFile, targetBytes: bigint): boolean {
  return file.size < (targetBytes * 3n) / 4n
}

function isFullOfHoles(file: AddFile): boolean {
  const [rows, deleted] = [rowsOf(file), file.deletionVector?.cardinality ?? 0n]
  return deleted > 0n && (rows === null || Number(deleted) > Number(rows + deleted) * mostDeleted)
}

/** One commit; null if another writer was in the way. */
async function rewrite(
  options: OptimizeOptions,
  snapshot: Snapshot,
  group: readonly AddFile[],
): Promise<AddFile[] | null> {
  const target: WriteTarget = { ...options.target, published: [] }
  const { table, clock, ids } = target
  const adds = await publishing(target, () => writeTogether(options, target, { snapshot, group }))
  const removes = group.map((add) => ({ remove: { ...removalOf(add, clock.nowMs()), dataChange: false } }))
  // From here on nothing may be deleted when this throws: the log entry may be there.
  const result = await table.commit({
    snapshot,
    actions: [...removes, ...adds.map((add) => ({ add }))],
    reads: { kind: 'files', files: new Set(group.map(({ path }) => path)), mayMatch: () => false },
    operation: 'OPTIMIZE',
    operationParameters: { sortBy: JSON.stringify(options.sortBy) },
    operationMetrics: {
      numRemovedFiles: String(group.length),
      numAddedFiles: String(adds.length),
      numRemovedBytes: String(sizeOf(group)),
      numAddedBytes: String(sizeOf(adds)),
    },
    txnId: ids.uuid(),
    admits: () => true, // the conflict rules say whether the files are still there
  })
  if (result.kind === 'committed' || result.kind === 'already-committed') return adds
  await dropPublished(target)
  return null
}

async function writeTogether(
  { duckdb, stagingDir, sortBy }: OptimizeOptions,
  target: WriteTarget,
  { snapshot, group }: { readonly snapshot: Snapshot; readonly group: readonly AddFile[] },
): Promise<AddFile[]> {
  const { columns, metaData } = snapshot
  const stored = columns.filter(({ name }) => !metaData.partitionColumns.includes(name))
  const files: LocalFile[] = []
  for (const add of group) files.push(await localDataFile(target.store, target.table.path, add))
  const order = sortBy.length === 0 ? '' : ` ORDER BY ${sortBy.map(identifier).join(', ')}`
  const dir = await mkdtemp(join(stagingDir, 'optimize-'))
  try {
    const names = stored.map(({ name }) => identifier(name)).join(', ')
    const query = `SELECT ${names} FROM (${selectFiles({ columns, files })})${order}`
    const staged = await (await duckdb()).withConnection((connection) =>
      copyToParquet(onTable(connection, target.table.path), query, join(dir, 'together.parquet'), { columns: stored }),
    )
    if (staged.rows === 0) return []
    const { partitionValues } = group[0]!
    return [{ ...(await publishDataFile(target, { file: staged, partitionValues })), dataChange: false }]
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

function sizeOf(files: readonly AddFile[]): bigint {
  return files.reduce((sum, file) => sum + file.size, 0n)
}
