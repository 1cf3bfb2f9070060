/** Taking a pipeline's newest batch out of a table again, rows and position, as a new version. */
import { appId, positionOf, txnsOf } from '../../checkpoints/position.ts'
import type { Clock, ObjectStore, Range, SinkUndo } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Action, AddFile } from './actions.ts'
import { missingFiles } from './files-below.ts'
import { readEntries, tableHistory } from './history.ts'
import type { DeltaTable, LiveFiles, LogEntry, Snapshot } from './table.ts'
import { removalOf } from './table-write.ts'

export interface UndoBatchOptions {
  readonly table: DeltaTable
  readonly store: ObjectStore
  readonly clock: Clock
}

/** Operation of the commit that does so. An audit takes the positions in it for ones that go back. */
export const undoOperation = 'UNDO'

/** Tries after other writers were in the way. */
const tries = 5

/**
 * One commit takes away what the newest commit of exactly these ranges wrote and sets the position back to their starts; nothing where
 * it is there already. What a batch added can be taken away while its files are those that it wrote, whatever others added since; a
 * batch that changed rows, or of which files were written together, while nobody has changed data since. `SINK_FAILED` otherwise, and
 * where the log no longer has that commit. Readers of the change feed see it as deletes and inserts.
 */
export async function undoBatch(options: UndoBatchOptions, undo: SinkUndo): Promise<void> {
  const { table } = options
  for (let attempt = 1; attempt <= tries; attempt += 1) {
    const snapshot = await table.snapshot()
    if (snapshot === null || isUndone(snapshot, undo)) return
    if (await tryUndo(options, undo, snapshot)) return
  }
  throw new MillraceError('SINK_FAILED', `table ${table.path}: other writers were faster ${tries} times (stop them)`, {
    retryable: true,
  })
}

function isUndone(snapshot: Snapshot, { pipeline, ranges }: SinkUndo): boolean {
  const position = positionOf(snapshot.txns, pipeline)
  return ranges.every(({ sourcePartition, start }) => (position.get(sourcePartition) ?? start) === start)
}

async function tryUndo(
  { table, store, clock }: UndoBatchOptions,
  undo: SinkUndo,
  snapshot: Snapshot,
): Promise<boolean> {
  const entry = await entryOf(table, undo)
  const { adds, removes } = await inverse(table, snapshot, entry)
  const missing = await missingFiles(store, table.path, adds)
  if (missing.length > 0)
    throw cannot(table, `${missing.length} files of the version before have been deleted, as ${missing[0]}`)
  const { pipeline, ranges, txnId } = undo
  const nowMs = clock.nowMs()
  const starts = ranges.map(({ sourcePartition, start }) => ({ sourcePartition, start, end: start }))
  const back = txnsOf(pipeline, starts, nowMs)
  const positions = new Map(ranges.map(({ sourcePartition, end }) => [appId(pipeline, sourcePartition), end]))
  const actions: Action[] = [
    ...removes.map((add) => ({ remove: removalOf(add, nowMs) })),
    ...adds.map((add) => ({ add: { ...add, dataChange: true } })),
    ...back.map((txn) => ({ txn })),
  ]
  const result = await table.commit({
    snapshot,
    actions,
    reads: { kind: 'files', files: new Set(removes.map(({ path }) => path)), mayMatch: () => adds.length > 0 },
    operation: undoOperation,
    operationParameters: { pipeline, version: String(entry.version) },
    operationMetrics: { numRemovedFiles: String(removes.length), numRestoredFiles: String(adds.length) },
    txnId,
    admits: (head) => [...positions].every(([id, end]) => head.txns.get(id)?.version === end),
  })
  return result.kind === 'committed' || result.kind === 'already-committed'
}

/** The newest commit of the pipeline that moved a position: it must be one of exactly the ranges. */
async function entryOf(table: DeltaTable, { pipeline, ranges }: SinkUndo): Promise<LogEntry> {
  for await (const { version, batch } of tableHistory(table)) {
    if (batch?.pipeline !== pipeline) continue
    const moved = Object.entries(batch.ranges).filter(([, [start, end]]) => start !== end)
    if (moved.length === 0) continue
    if (!isSame(moved, ranges)) break
    const [entry] = await readEntries(table, version, version + 1n)
    return entry!
  }
  throw cannot(table, 'its log has no commit of exactly that range as the newest of the pipeline')
}

function isSame(
  moved: readonly (readonly [string, readonly [start: string, end: string]])[],
  ranges: readonly Range[],
): boolean {
  const spans = new Map(moved)
  return (
    moved.length === ranges.length &&
    ranges.every(({ sourcePartition, start, end }) => {
      const span = spans.get(sourcePartition)
      return span !== undefined && span[0] === String(start) && span[1] === String(end)
    })
  )
}

interface Inverse {
  readonly adds: readonly AddFile[]
  readonly removes: readonly AddFile[]
}

async function inverse(table: DeltaTable, snapshot: Snapshot, entry: LogEntry): Promise<Inverse> {
  const live = await snapshot.files()
  const added = entry.actions.flatMap((action) => ('add' in action ? [action.add] : []))
  const onlyAdded = !entry.actions.some((action) => 'remove' in action)
  const there = new Map([...live.values()].map((add) => [add.path, add]))
  if (onlyAdded && added.every(({ path, deletionVector }) => there.has(path) && same(there.get(path)!, deletionVector)))
    return { adds: [], removes: added.map(({ path }) => there.get(path)!) }
  const later = await readEntries(table, entry.version + 1n, snapshot.version + 1n)
  const changed = later.find(changesData)
  if (changed !== undefined) throw cannot(table, `version ${changed.version} changed rows after it`)
  const before = entry.version === 0n ? null : await table.snapshot(entry.version - 1n)
  const wanted: LiveFiles = before === null ? new Map() : await before.files()
  return { adds: missingIn(live, wanted), removes: missingIn(wanted, live) }
}

function same({ deletionVector }: AddFile, written: AddFile['deletionVector']): boolean {
  return JSON.stringify(deletionVector?.pathOrInlineDv) === JSON.stringify(written?.pathOrInlineDv)
}

/** Files written together are no change; nor is what an entry says beside files. */
function changesData(entry: LogEntry): boolean {
  return entry.actions.some(
    (action) => ('add' in action && action.add.dataChange) || ('remove' in action && action.remove.dataChange),
  )
}

/** Logical files of the second that the first does not have. */
function missingIn(first: LiveFiles, second: LiveFiles): AddFile[] {
  return [...second].flatMap(([key, add]) => (first.has(key) ? [] : [add]))
}

function cannot({ path }: DeltaTable, why: string): MillraceError {
  return new MillraceError('SINK_FAILED', `table ${path}: the batch cannot be taken back: ${why}`, {
    context: { table: path },
  })
}
