/** Deleting files that no version of a table within its retention needs. */
import type { Clock, Ids, ObjectInfo } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { isNotedAsVacuumed, vacuumTxn } from './beginning.ts'
import { assertWritable } from './protocol.ts'
import { leastVersion, readersOf, type TableReader } from './readers.ts'
import { remainingEntries } from './remaining-entries.ts'
import { retentionMs } from './retention.ts'
import { storeTimeMs } from './store-time.ts'
import type { LogEntry, Snapshot, Transaction } from './table.ts'
import { keysIn, type TablePlace, type UnneededFiles, unneededFiles } from './unneeded-files.ts'

export interface VacuumOptions extends TablePlace {
  readonly clock: Clock
  readonly ids: Ids
  /** The time by the clock that dates the store's objects. Default: {@link storeTimeMs}. */
  readonly storeNowMs?: () => Promise<number>
  /** Files that were deleted from the table, or never belonged to it, longer ago than this go. Default: the table's own. */
  readonly retentionMs?: number
  /** Allows a retention that is shorter than the table's own: readers of versions since then lose them. */
  readonly force: boolean
  /** Only tells what would go. */
  readonly dryRun: boolean
  /** The log tells of a deletion only where somebody has to know of it. Default: of each. */
  readonly quiet?: boolean
  /** No more go at once. Default: all. */
  readonly mostFiles?: number
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
 * nor are spoken of by a version that a registered reader has still to read. Files that no version names may belong to a
 * batch under way: they stay for an hour at least, whatever the retention. Names that begin with `_` or `.` are not
 * touched, but for the change feed. Before anything is deleted the log says so, so that whoever begins to read the
 * table later does not ask for what is gone. `TABLE_NOT_FOUND`, `TABLE_UNSUPPORTED`, `CONFIG_INVALID` for a retention that
 * is too short.
 */
export async function vacuumTable(options: VacuumOptions): Promise<Vacuumed> {
  const { table, dryRun } = options
  const snapshot = await table.snapshot()
  if (snapshot === null) throw new MillraceError('TABLE_NOT_FOUND', `table ${table.path} does not exist`)
  assertWritable(table.path, snapshot.protocol, snapshot.metaData)
  const retention = retentionOf(options, snapshot)
  const { expired, unnamed } = await unneededNow(options, snapshot, retention)
  const unneeded = [...expired, ...unnamed]
  const { doomed: found, ...beside } = await partForReaders(options, snapshot, unneeded)
  if (dryRun || found.length === 0) return { ...beside, ...totalOf(found) }
  // who wants to commit an unnamed file has to know, and who begins to read after it begins with the rows that are there
  const some = new Set(found)
  const mustSay = unnamed.some((file) => some.has(file)) || !isNotedAsVacuumed(snapshot)
  if (options.quiet !== true || mustSay) await announce(options, snapshot, found)
  // who began to read before that is among the readers now
  const { doomed, ...rest } = await partForReaders(options, snapshot, unneeded)
  const deleted = totalOf(await deleteAll(options, snapshot, doomed))
  if (options.quiet !== true) await note(options, snapshot, 'VACUUM END', { numDeletedFiles: deleted.files })
  return { ...rest, ...deleted }
}

function totalOf(files: readonly ObjectInfo[]) {
  return { files: files.length, sizeBytes: files.reduce((sum, file) => sum + BigInt(file.sizeBytes), 0n) }
}

function retentionOf({ table, retentionMs: asked, force }: VacuumOptions, { metaData }: Snapshot): number {
  const own = Number(retentionMs(metaData))
  if (asked === undefined || asked >= own || force) return asked ?? own
  throw new MillraceError(
    'CONFIG_INVALID',
    `table ${table.path} keeps deleted files for ${own / 3_600_000} hours, and ${asked / 3_600_000} are less: batches under way and readers of older versions could lose files (wait, set delta.deletedFileRetentionDuration, or force it)`,
  )
}

/**
 * Of two clocks, ours and the store's, the one counts that makes files younger. The store is not asked where nothing is to be
 * deleted, nor by a dry run, which writes nothing.
 */
async function unneededNow(options: VacuumOptions, snapshot: Snapshot, retention: number): Promise<UnneededFiles> {
  const { store, table, ids, clock, storeNowMs, dryRun } = options
  const found = (nowMs: number) => unneededFiles(options, snapshot, { nowMs, oldestMs: nowMs - retention })
  const nowMs = clock.nowMs()
  const ours = await found(nowMs)
  if (dryRun || ours.expired.length + ours.unnamed.length === 0) return ours
  const theirNowMs = await (storeNowMs?.() ?? storeTimeMs(store, table.path, ids))
  return theirNowMs < nowMs ? found(theirNowMs) : ours
}

interface Parted extends Pick<Vacuumed, 'keptForReaders' | 'behind'> {
  readonly doomed: readonly ObjectInfo[]
}

/** Files that go, and how many stay for the readers that are known now. */
async function partForReaders(
  options: VacuumOptions,
  snapshot: Snapshot,
  unneeded: readonly ObjectInfo[],
): Promise<Parted> {
  const readers = await readersOf(options.store, options.table.path)
  const needed = await neededByReaders(options, snapshot, leastVersion(readers))
  const free = unneeded.filter(({ key }) => !needed.has(key))
  const behind = readers.filter(({ version }) => version <= snapshot.version)
  return { doomed: free.slice(0, options.mostFiles), keptForReaders: unneeded.length - free.length, behind }
}

/** Keys of files that the log speaks of from a version on. */
async function neededByReaders(place: TablePlace, snapshot: Snapshot, from: bigint | null): Promise<Set<string>> {
  const keys = new Set<string>()
  if (from === null || from > snapshot.version) return keys
  for await (const entry of entriesFrom(place, from, snapshot.version + 1n))
    for (const key of keysIn(place, entry)) keys.add(key)
  return keys
}

/** What is left of the entries from a version on: one that has been cleaned up nobody can read any more. */
async function* entriesFrom({ store, table }: TablePlace, from: bigint, end: bigint): AsyncGenerator<LogEntry> {
  try {
    yield* table.entries(from, end)
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'SOURCE_RANGE_LOST') throw error
    yield* remainingEntries({ store, table, end })
  }
}

const atOnce = 16
/** So many are deleted between two looks at what is live. */
const betweenLooks = 1000

/** Files that versions have named meanwhile, as a restore does, stay. Returns those that went. */
async function deleteAll(
  options: VacuumOptions,
  { version }: Snapshot,
  files: readonly ObjectInfo[],
): Promise<ObjectInfo[]> {
  const { table, signal } = options
  const deleted: ObjectInfo[] = []
  const named = new Set<string>()
  let seen = version + 1n
  for (let from = 0; from < files.length && !signal.aborted; from += betweenLooks) {
    const end = ((await table.snapshot())?.version ?? -1n) + 1n
    for await (const entry of table.entries(seen, end)) for (const key of keysIn(options, entry)) named.add(key)
    seen = end
    const some = files.slice(from, from + betweenLooks).filter(({ key }) => !named.has(key))
    deleted.push(...(await deleteSome(options, some)))
  }
  return deleted
}

async function deleteSome({ store, signal }: VacuumOptions, files: readonly ObjectInfo[]): Promise<ObjectInfo[]> {
  let next = 0
  const deleter = async (): Promise<void> => {
    while (next < files.length && !signal.aborted) await store.delete(files[next++]!.key)
  }
  await Promise.all(Array.from({ length: atOnce }, deleter))
  return files.slice(0, next)
}

async function announce(options: VacuumOptions, snapshot: Snapshot, doomed: readonly ObjectInfo[]): Promise<void> {
  const { files, sizeBytes } = totalOf(doomed)
  await note(options, snapshot, 'VACUUM START', { numFilesToDelete: files, sizeOfDataToDelete: sizeBytes })
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
