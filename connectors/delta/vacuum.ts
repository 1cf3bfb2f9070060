/** Deleting files that no version of a table within its retention needs. */
import type { Clock, Ids, ObjectInfo, ObjectStore } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { vacuumTxn } from './beginning.ts'
import { keysOf, type NamedFile } from './file-keys.ts'
import { assertWritable } from './protocol.ts'
import { leastVersion, readersOf, type TableReader } from './readers.ts'
import { retentionMs } from './retention.ts'
import type { DeltaTable, Snapshot, Transaction } from './table.ts'

export interface VacuumOptions {
  readonly table: DeltaTable
  readonly store: ObjectStore
  readonly clock: Clock
  readonly ids: Ids
  /** Files that were deleted from the table, or never belonged to it, longer ago than this go. Default: the table's own. */
  readonly retentionMs?: number
  /** Allows a retention that is shorter than the table's own: readers of versions since then lose them. */
  readonly force: boolean
  /** Only tells what would go. */
  readonly dryRun: boolean
  /** Ends the work between two files; what is deleted is deleted. */
  readonly signal: AbortSignal
}

/** What went, or would go. */
export interface Vacuumed {
  readonly files: number
  readonly sizeBytes: bigint
  /** Of these, files that stay only because a reader has not come so far. */
  readonly keptForReaders: number
  /** Readers that are behind the newest version. */
  readonly behind: readonly TableReader[]
}

/**
 * Deletes the files below a table that are neither live, nor were deleted within the retention, nor are younger than it,
 * nor are spoken of by a version that a registered reader has still to read. Names that begin with `_` or `.` are not
 * touched, but for the change feed. Before anything is deleted the log says so, so that whoever begins to read the
 * table later does not ask for what is gone. `TABLE_NOT_FOUND`, `TABLE_UNSUPPORTED`, `CONFIG_INVALID` for a retention that
 * is too short.
 */
export async function vacuumTable(options: VacuumOptions): Promise<Vacuumed> {
  const { table, store, clock, signal, dryRun } = options
  const snapshot = await table.snapshot()
  if (snapshot === null) throw new MillraceError('TABLE_NOT_FOUND', `table ${table.path} does not exist`)
  assertWritable(table.path, snapshot.protocol, snapshot.metaData)
  const oldestMs = clock.nowMs() - retentionOf(options, snapshot)
  const readers = await readersOf(store, table.path)
  const kept = await referenced(options, snapshot, oldestMs)
  const forReaders = await neededByReaders(options, snapshot, leastVersion(readers))
  const doomed: ObjectInfo[] = []
  let keptForReaders = 0
  for (const file of await filesBelow(store, table.path, snapshot)) {
    if (file.modifiedMs >= oldestMs || kept.has(file.key)) continue
    if (forReaders.has(file.key)) keptForReaders += 1
    else doomed.push(file)
  }
  const sizeBytes = doomed.reduce((sum, file) => sum + BigInt(file.sizeBytes), 0n)
  const behind = readers.filter(({ version }) => version <= snapshot.version)
  if (doomed.length > 0 && !dryRun) {
    await note(options, snapshot, 'VACUUM START', { numFilesToDelete: doomed.length, sizeOfDataToDelete: sizeBytes })
    const deleted = await deleteAll(store, doomed, signal)
    await note(options, snapshot, 'VACUUM END', { numDeletedFiles: deleted })
    return { files: deleted, sizeBytes, keptForReaders, behind }
  }
  return { files: doomed.length, sizeBytes, keptForReaders, behind }
}

function retentionOf({ table, retentionMs: asked, force }: VacuumOptions, { metaData }: Snapshot): number {
  const own = Number(retentionMs(metaData))
  if (asked === undefined || asked >= own || force) return asked ?? own
  throw new MillraceError(
    'CONFIG_INVALID',
    `table ${table.path} keeps deleted files for ${own / 3_600_000} hours, and ${asked / 3_600_000} are less: batches under way and readers of older versions could lose files (wait, set delta.deletedFileRetentionDuration, or force it)`,
  )
}

/** Keys of files that are live, or were within the retention. */
async function referenced(options: VacuumOptions, snapshot: Snapshot, oldestMs: number): Promise<Set<string>> {
  const keys = new Set<string>()
  for (const add of (await snapshot.files()).values()) addKeys(options, keys, add)
  for (const remove of (await snapshot.tombstones()).values())
    if (Number(remove.deletionTimestamp ?? 0n) >= oldestMs) addKeys(options, keys, remove)
  return keys
}

/** Keys of files that the log speaks of from a version on. */
async function neededByReaders(options: VacuumOptions, snapshot: Snapshot, from: bigint | null): Promise<Set<string>> {
  const keys = new Set<string>()
  if (from === null || from > snapshot.version) return keys
  for await (const { actions } of options.table.entries(from, snapshot.version + 1n))
    for (const action of actions) {
      if ('add' in action) addKeys(options, keys, action.add)
      if ('remove' in action) addKeys(options, keys, action.remove)
      if ('cdc' in action) addKeys(options, keys, action.cdc)
    }
  return keys
}

function addKeys({ store, table }: VacuumOptions, keys: Set<string>, file: NamedFile): void {
  for (const key of keysOf(store, table.path, file)) keys.add(key)
}

/** Files that belong to the table and to nothing else. */
async function filesBelow(store: ObjectStore, path: string, { metaData }: Snapshot): Promise<ObjectInfo[]> {
  const prefix = `${path}/`
  const files: ObjectInfo[] = []
  const others: string[] = []
  for await (const info of store.list(prefix)) {
    const folders = info.key.slice(prefix.length).split('/')
    const log = folders.indexOf('_delta_log')
    if (log > 0) others.push(`${prefix}${folders.slice(0, log).join('/')}/`)
    if (!folders.some((name) => isHidden(name, metaData.partitionColumns))) files.push(info)
  }
  return files.filter(({ key }) => !others.some((other) => key.startsWith(other)))
}

function isHidden(name: string, partitionColumns: readonly string[]): boolean {
  if (name === '_change_data' || partitionColumns.some((column) => name.startsWith(`${column}=`))) return false
  return name.startsWith('_') || name.startsWith('.')
}

const atOnce = 16

async function deleteAll(store: ObjectStore, files: readonly ObjectInfo[], signal: AbortSignal): Promise<number> {
  let next = 0
  const deleter = async (): Promise<void> => {
    while (next < files.length && !signal.aborted) await store.delete(files[next++]!.key)
  }
  await Promise.all(Array.from({ length: atOnce }, deleter))
  return next
}

/** A version that changes nothing and tells what is going on. */
async function note(
  { table, clock, ids }: VacuumOptions,
  { version }: Snapshot,
  operation: string,
  metrics: Readonly<Record<string, number | bigint>>,
): Promise<void> {
  const texts = Object.entries(metrics).map(([name, value]) => [name, String(value)] as const)
  const transaction: Transaction = {
    snapshot: await table.snapshot(),
    actions: [{ txn: vacuumTxn(version + 1n, clock.nowMs()) }],
    reads: { kind: 'blind-append' },
    operation,
    operationMetrics: Object.fromEntries(texts),
    txnId: ids.uuid(),
    admits: () => true,
  }
  const result = await table.commit(transaction)
  if (result.kind !== 'committed' && result.kind !== 'already-committed')
    throw new MillraceError('SINK_FAILED', `table ${table.path} is being vacuumed by another process (wait for it)`)
}
