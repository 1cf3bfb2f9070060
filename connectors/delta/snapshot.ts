/** The state of a table out of its log: newest readable checkpoint or checksum, then the entries after it. */
import type { ObjectStore } from '../../engine/contracts.ts'
import { MillraceError, messageOf } from '../../engine/errors.ts'
import type { Action } from './actions.ts'
import { commitInfoOf, entryKey, parseLogEntry } from './log-entry.ts'
import { type ListedCheckpoint, type LogListing, listLog, readHint } from './log-listing.ts'
import { assertReadable } from './protocol.ts'
import { openFold, replay, type TableState } from './replay.ts'
import type { LogEntry } from './table.ts'
import { checksumKey, parseChecksum } from './version-checksum.ts'

/** What a log is read with. */
export interface LogReader {
  readonly store: ObjectStore
  readonly table: string
  /** The actions in a checkpoint; throws if it cannot be read. */
  readonly readCheckpoint: (checkpoint: ListedCheckpoint) => Promise<Action[]>
}

/** A table's state, and what was found of checkpoints on the way to it. */
export interface LoadedState {
  readonly state: TableState
  /** Version of the newest checkpoint up to the state's version, -1 without one. */
  readonly checkpoint: bigint
}

/** How many entries are fetched at once. */
const parallelReads = 16

/** What is wanted of a table. */
export interface Wanted {
  /** Null: the newest. */
  readonly version: bigint | null
  /** Whether with its contents: without, a version checksum is as good as a checkpoint, and much faster read. */
  readonly contents: boolean
}

/**
 * The state at a version; null if there is no table. The listing is the authority: a stale, corrupt or
 * lying hint costs time only, and an unreadable checkpoint is passed over while the entries reach back far enough.
 * `TABLE_CORRUPT` naming a missing version, `TABLE_NOT_FOUND` for a version that does not exist or is gone.
 */
export async function loadState(reader: LogReader, wanted: Wanted): Promise<LoadedState | null> {
  const { store, table } = reader
  const { version } = wanted
  const hint = await readHint(store, table)
  if (hint !== null && (version === null || hint <= version)) {
    const recent = await listLog({ store, table, from: hint })
    if (recent.checkpoints.some((checkpoint) => checkpoint.version === hint)) {
      const loaded = await loadFrom(reader, { ...wanted, listing: recent, partial: true })
      if (loaded !== null) return loaded
    }
  }
  const listing = await listLog({ store, table, from: 0n })
  if (listing.entries.length + listing.checkpoints.length === 0) return null
  return loadFrom(reader, { ...wanted, listing, partial: false })
}

/** The state after the entries that follow it without a gap: the same object if there are none. */
export async function extendState(reader: LogReader, base: TableState): Promise<TableState> {
  const entries = await readNewEntries(reader, base.version)
  return entries.length === 0 ? base : replay(reader.table, base, entries)
}

/** The entries that follow a version without a gap, up to the newest. */
export async function readNewEntries(reader: Pick<LogReader, 'store' | 'table'>, after: bigint): Promise<LogEntry[]> {
  const entries: LogEntry[] = []
  for (let version = after + 1n; ; version++) {
    const entry = await readEntry(reader, version)
    if (entry === null) return entries
    entries.push(entry)
  }
}

/** One entry of the log; null if it does not exist. */
export async function readEntry(
  { store, table }: Pick<LogReader, 'store' | 'table'>,
  version: bigint,
): Promise<LogEntry | null> {
  const key = entryKey(table, version)
  const body = await store.get(key)
  return body === null ? null : parseLogEntry(key, version, body)
}

interface LoadOptions extends Wanted {
  readonly listing: LogListing
  /** Whether the listing begins at a hint: then null is returned if its checkpoints cannot be read. */
  readonly partial: boolean
}

async function loadFrom(reader: LogReader, options: LoadOptions): Promise<LoadedState | null> {
  const { listing, version, partial } = options
  const head = newest(listing)
  if (version !== null && version > head)
    throw notFound(reader.table, version, `the newest is ${head} (choose an older one)`)
  const target = version ?? head
  const unreadable: unknown[] = []
  const candidates = listing.checkpoints.filter((candidate) => candidate.version <= target)
  if (!options.contents) {
    const state = await loadFromChecksum(reader, listing, target)
    if (state !== null) return { state, checkpoint: candidates.at(-1)?.version ?? -1n }
  }
  for (const checkpoint of candidates.toReversed()) {
    const actions = await reader.readCheckpoint(checkpoint).catch((cause: unknown) => {
      if (cause instanceof MillraceError && cause.code === 'STORAGE_FAILED') throw cause // says nothing of the file
      unreadable.push(cause)
      return null
    })
    if (actions === null) continue
    // a checkpoint that can be read but lacks protocol or metadata is damage, not a reason to look further back
    const base = replay(reader.table, null, [{ version: checkpoint.version, actions }])
    await assertContiguous(reader, listing, { from: checkpoint.version + 1n, target })
    const state = checkpoint.version === target ? await describedBy(reader, base) : await readTail(reader, base, target)
    return { state, checkpoint: candidates.at(-1)!.version }
  }
  if (partial) return null
  await assertReachesBack(reader, listing, { target, head, unreadable })
  await assertContiguous(reader, listing, { from: 0n, target })
  return { state: await readTail(reader, null, target), checkpoint: -1n }
}

/** A state from a checkpoint alone, with what its entry says of it, if that is still there. */
async function describedBy(reader: LogReader, state: TableState): Promise<TableState> {
  const entry = await readEntry(reader, state.version)
  return entry === null ? state : { ...state, commitInfo: commitInfoOf(entry) }
}

/** More entries than this behind a checksum are not read for it. */
const longestTail = 16n

async function loadFromChecksum(reader: LogReader, listing: LogListing, target: bigint): Promise<TableState | null> {
  const version = listing.checksums.findLast((candidate) => candidate <= target)
  if (version === undefined || target - version > longestTail) return null
  const [body, entry] = await Promise.all([
    reader.store.get(checksumKey(reader.table, version)),
    readEntry(reader, version),
  ])
  const base = body === null || entry === null ? null : parseChecksum(entry, body)
  if (base === null) return null
  assertReadable(reader.table, base.protocol)
  // an entry that is missing further back is damage, too: it would be found out when the files are asked for
  const checkpoint = listing.checkpoints.findLast((candidate) => candidate.version <= target)?.version ?? -1n
  if (checkpoint < 0n && !(await hasEntry(reader, listing, 0n))) return null
  await assertContiguous(reader, listing, { from: checkpoint + 1n, target })
  return readTail(reader, base, target)
}

function newest({ entries, checkpoints }: LogListing): bigint {
  const [entry, checkpoint] = [entries.at(-1) ?? -1n, checkpoints.at(-1)?.version ?? -1n]
  return entry > checkpoint ? entry : checkpoint
}

async function readTail(reader: LogReader, base: TableState | null, target: bigint): Promise<TableState> {
  const first = (base?.version ?? -1n) + 1n
  if (base !== null && first > target) return base
  const fold = openFold(reader.table, base)
  for await (const entry of readEntries(reader, { start: first, end: target + 1n })) fold.add(entry)
  return fold.finish()
}

/** Half-open span `[start, end)` of versions. */
export interface VersionSpan {
  readonly start: bigint
  /** The first version that is not read. */
  readonly end: bigint
}

/** The entries of a span in order, several fetched at once. `SOURCE_RANGE_LOST` naming the first that is not there. */
export async function* readEntries(
  reader: Pick<LogReader, 'store' | 'table'>,
  { start, end }: VersionSpan,
): AsyncGenerator<LogEntry> {
  for (let first = start; first < end; first += BigInt(parallelReads)) {
    const count = Math.min(Number(end - first), parallelReads)
    const bodies = await Promise.all(
      Array.from({ length: count }, (_, i) => reader.store.get(entryKey(reader.table, first + BigInt(i)))),
    )
    for (const [i, body] of bodies.entries()) {
      const version = first + BigInt(i)
      if (body === null) throw lost(reader.table, { start: version, end })
      yield parseLogEntry(entryKey(reader.table, version), version, body)
    }
  }
}

async function assertContiguous(
  reader: LogReader,
  listing: LogListing,
  span: { readonly from: bigint; readonly target: bigint },
): Promise<void> {
  const { table } = reader
  const present = new Set(listing.entries)
  for (let version = span.from; version <= span.target; version++)
    if (!present.has(version) && !(await hasEntry(reader, listing, version)))
      throw new MillraceError(
        'TABLE_CORRUPT',
        `delta table ${table}: log entry ${version} is missing between others (restore it from a copy)`,
        { context: { table, version } },
      )
}

/** A listing made while others write may hold a later entry and lack an earlier one: what it lacks is asked for. */
async function hasEntry({ store, table }: LogReader, { entries }: LogListing, version: bigint): Promise<boolean> {
  return entries.includes(version) || (await store.get(entryKey(table, version))) !== null
}

interface Reach {
  readonly target: bigint
  readonly head: bigint
  readonly unreadable: readonly unknown[]
}

/** No checkpoint was of use: the entries must begin at version 0. */
async function assertReachesBack(
  reader: LogReader,
  listing: LogListing,
  { target, head, unreadable }: Reach,
): Promise<void> {
  const { table } = reader
  if (await hasEntry(reader, listing, 0n)) return
  const [first] = unreadable
  if (first !== undefined)
    throw new MillraceError(
      'TABLE_CORRUPT',
      `delta table ${table}: no log checkpoint can be read, and older log entries are gone: ${messageOf(first)} ` +
        '(restore the checkpoint from a copy)',
      { cause: first },
    )
  if (listing.checkpoints.length > 0 && target < head)
    throw notFound(
      table,
      target,
      `the oldest that can be restored is ${listing.checkpoints[0]!.version} (choose a newer one)`,
    )
  throw new MillraceError(
    'TABLE_CORRUPT',
    `delta table ${table}: the log begins at version ${listing.entries[0]} without a checkpoint ` +
      '(restore the older entries from a copy)',
  )
}

function notFound(table: string, version: bigint, why: string): MillraceError {
  return new MillraceError('TABLE_NOT_FOUND', `delta table ${table} has no version ${version}: ${why}`, {
    context: { table, version },
  })
}

function lost(table: string, { start, end }: VersionSpan): MillraceError {
  return new MillraceError(
    'SOURCE_RANGE_LOST',
    `delta table ${table}: log entry ${start} is gone, so versions [${start}, ${end}) cannot be read ` +
      '(start the pipeline again from a snapshot)',
    { context: { table, start, end } },
  )
}
