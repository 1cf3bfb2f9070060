/** A Delta table as a sink: the rows of a batch and how far the source has been read, in one log entry. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { admits } from '../../checkpoints/fence.ts'
import { positionOf, txnsOf } from '../../checkpoints/position.ts'
import type {
  Clock,
  CommitOutcome,
  Ids,
  ObjectStore,
  Range,
  RefusedFile,
  Sink,
  SinkCommit,
  SinkPosition,
} from '../../engine/contracts.ts'
import type { Duckdb } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'
import { prepareAppend } from './append.ts'
import { commitPublished } from './commit-published.ts'
import { openCompaction } from './compaction.ts'
import { assertRules, type TableRules } from './constraints/rules.ts'
import type { DeltaMergeClauses } from './description.ts'
import { lastFingerprint } from './history.ts'
import { prepareMerge } from './merge.ts'
import { assertClauses, hasClauses } from './merge-clauses.ts'
import { prepareOverwrite, type ReplaceWhere } from './overwrite.ts'
import { assertPartitionBy } from './partitions/partition-by.ts'
import { siftRows } from './refused-rows.ts'
import { isAgeing, type WantedRetention } from './retention.ts'
import type { DeltaTable, Snapshot, TableHead, Transaction, TransactionResult } from './table.ts'
import { assertNotNested } from './table-name.ts'
import {
  checkAbandoned,
  dropPublished,
  fitSchema,
  publishing,
  type SchemaChange,
  type TableProperties,
  type TableWrite,
  type WriteTarget,
  writeTarget,
} from './table-write.ts'
import type { Marking } from './touched-files.ts'
import { undoBatch } from './undo-batch.ts'
import { openVacuuming } from './vacuuming.ts'

export interface TableSinkOptions {
  readonly table: DeltaTable
  readonly store: ObjectStore
  readonly write: AppendMode | MergeMode | OverwriteMode
  /** Columns of the table, should it have to be created by a batch without rows. */
  readonly columns?: readonly Column[]
  /** Make the table with a change feed; refuses one that was made without. */
  readonly changeFeed: boolean
  /** Make the table with deletion vectors; refuses one that was made without. */
  readonly deletionVectors?: TableProperties['deletionVectors']
  /** Make the table with this retention, or give it to one that is there. Default: what other engines take for none. */
  readonly retention?: WantedRetention
  /**
   * Make the table with its files parted by these columns (PROTOCOL.md, "Partition Values"). A table that is there keeps its
   * own, whether this is given or not; other ones are refused.
   */
  readonly partitionBy?: readonly string[]
  /** Make the table with these rules; refuses one that was made without. */
  readonly rules?: TableRules
  /** Which files of such a table get one. */
  readonly marking?: Marking
  /** Asked only when a merge has rows, or rows have to be parted. */
  readonly duckdb: () => Promise<Duckdb>
  readonly clock: Clock
  readonly ids: Ids
  /** Local folder for the files of a merge; on the lake's own filesystem when that is local. */
  readonly stagingDir: string
  /** As many small files are written together after a commit; never if not given. */
  readonly compactAfter?: number
  /** Delete files that the table no longer needs, now and then beside batches. Default: leave them. */
  readonly vacuum?: boolean
  /** Told why either could not be done; the commit stands all the same. */
  readonly onUpkeepFailed?: (error: unknown) => void
}

/** Rows are added. */
export interface AppendMode {
  readonly mode: 'append'
}

/** Rows are inserted, replaced or deleted by key. */
export interface MergeMode extends DeltaMergeClauses {
  readonly mode: 'merge'
  /** Columns that identify a row. */
  readonly key: readonly string[]
  /** Columns, compared in order, null below everything: a row replaces another only if these are greater. */
  readonly newer: readonly string[]
  /**
   * Boolean column of the rows, not of the table: true deletes the row that is there, if it is older. It decides before any
   * clause, and clauses do not know it.
   */
  readonly deleteWhen?: string
}

/** The rows of each batch take the place of those that are there, in the whole table or in some of its partitions. */
export interface OverwriteMode {
  readonly mode: 'overwrite'
  readonly replaceWhere?: ReplaceWhere
}

/** Tries on a new snapshot after another writer was in the way, before the batch is given back. */
const tries = 5

/**
 * Opens a table as a sink. It writes the rows of the input `rows`. The position is kept in `txn` actions, one per
 * source partition; the fingerprint in `commitInfo`, where {@link lastFingerprint} finds it.
 */
export function deltaSink(options: TableSinkOptions): Sink {
  const { write, table } = options
  if (write.mode === 'merge' && (write.key.length === 0 || write.newer.length === 0))
    throw new MillraceError(
      'DEFINITION_INVALID',
      `table ${table.path}: a merge needs columns that identify a row and columns that say which is newer (name both: key, newer)`,
    )
  if (write.mode === 'merge') assertClauses(table.path, write, options.columns ?? null)
  if (options.partitionBy !== undefined) assertPartitionBy(table.path, options.partitionBy, options.columns ?? null)
  assertRules(table.path, options.rules ?? {}, options.columns ?? null)
  const { compactAfter } = options
  if (compactAfter !== undefined && !(Number.isInteger(compactAfter) && compactAfter >= 0 && compactAfter !== 1))
    throw new MillraceError(
      'DEFINITION_INVALID',
      `table ${table.path}: compactAfter must be a whole number of at least 2, or 0 for never, not ${compactAfter}`,
    )
  const compact = compacting(options)
  const vacuuming = options.vacuum === true ? openVacuuming(options) : null
  let prepared: Prepared | null = null
  const abandon = async (): Promise<void> => {
    const held = prepared
    prepared = null
    if (held !== null) await discard(held)
  }
  return {
    name: nameOf(options),
    delivery: 'exactly-once',
    movesFiles: true,
    position: (pipeline) => readPosition(options.table, pipeline),
    async prepare(commit) {
      await abandon()
      prepared = await prepareBatch(options, commit)
      return prepared.refused ?? []
    },
    abandon,
    async commit(commit) {
      faultPoint('sink-begin')
      if (prepared?.txnId !== commit.txnId) await abandon()
      const attempts = prepared?.attempts ?? attemptsOf(options, commit, {})
      const outcome = await commitBatch(options, commit, attempts)
      if (outcome.kind === 'committed') {
        await compact()
        vacuuming?.committed()
      }
      return outcome
    },
    undo: (undo) => undoBatch(options, undo),
    async close() {
      await abandon()
      await vacuuming?.settled()
      await options.table.settled()
    },
  }
}

function nameOf({ table }: TableSinkOptions): string {
  return `table ${table.path}`
}

/** What is done after a commit to keep the table's files few. */
function compacting({ compactAfter, onUpkeepFailed, ...options }: TableSinkOptions) {
  if (compactAfter === undefined || compactAfter === 0) return async () => {}
  const compaction = openCompaction({ ...options, target: options, afterFiles: compactAfter })
  return () => compaction.committed().catch((error: unknown) => onUpkeepFailed?.(error))
}

async function readPosition(table: DeltaTable, pipeline: string): Promise<SinkPosition> {
  const snapshot = await table.snapshot()
  const position = positionOf(snapshot?.txns ?? new Map(), pipeline)
  if (snapshot === null || position.size === 0) return { position, fingerprint: null }
  return { position, fingerprint: await lastFingerprint(table, snapshot, pipeline) }
}

/** The tries of one commit. */
interface Attempts {
  readonly target: WriteTarget
  /** Works out the write on top of a snapshot. */
  readonly write: (snapshot: Snapshot | null) => Promise<TableWrite>
  /** Worked out already, for the first try; null once that is over. */
  first: WorkedOut | null
}

/** A write that is published and wants only its log entry. */
interface WorkedOut {
  readonly snapshot: Snapshot | null
  readonly write: TableWrite
}

/** A batch of which nothing is left to do but the log entry. */
interface Prepared {
  readonly txnId: string
  /** Files of rows that were sorted out. */
  readonly dir: string
  readonly refused: RefusedFile | null
  readonly attempts: Attempts
}

/** All of a commit but its log entry: files are in their places, and rows that the table does not take are out of them. */
async function prepareBatch(options: TableSinkOptions, commit: SinkCommit): Promise<Prepared> {
  const dir = await mkdtemp(join(options.stagingDir, 'prepared-'))
  try {
    const snapshot = await options.table.snapshot()
    if (!isAdmitted(snapshot, commit))
      return { txnId: commit.txnId, dir, refused: null, attempts: attemptsOf(options, commit, {}) }
    const { files, refused, kept } = await sift(options, { snapshot, commit, dir })
    const attempts = attemptsOf(options, commit, { files, kept })
    const write = await workOut(options, commit, attempts, snapshot)
    return { txnId: commit.txnId, dir, refused, attempts: { ...attempts, first: { snapshot, write } } }
  } catch (error) {
    await rm(dir, { recursive: true, force: true })
    throw error
  }
}

/** What was prepared and never came to a commit goes; after one that began its files are that one's to deal with. */
async function discard({ dir, attempts }: Prepared): Promise<void> {
  if (attempts.first !== null) await dropPublished(attempts.target)
  await rm(dir, { recursive: true, force: true })
}

interface Sifting {
  readonly snapshot: Snapshot | null
  readonly commit: SinkCommit
  readonly dir: string
}

function sift(options: TableSinkOptions, { snapshot, commit, dir }: Sifting) {
  const { table, write, duckdb } = options
  const isMerge = write.mode === 'merge'
  return siftRows({
    table: table.path,
    schema: fitted(options, snapshot, commit),
    files: filesOf(commit),
    key: isMerge ? write.key : [],
    ...(isMerge && write.deleteWhen !== undefined ? { deleteWhen: write.deleteWhen } : {}),
    asTheyCome: !(isMerge && hasClauses(write)),
    duckdb,
    dir,
    cause: { pipeline: commit.pipeline, step: nameOf(options) },
  })
}

/** The table's columns and rules with the batch in it. */
function fitted(options: TableSinkOptions, snapshot: Snapshot | null, commit: SinkCommit): SchemaChange {
  const { write } = options
  const without = write.mode === 'merge' ? write.deleteWhen : undefined
  const incoming = filesOf(commit).map(({ columns }) => columns.filter(({ name }) => name !== without))
  return fitSchema(options, snapshot, incoming, { ...propertiesOf(options), declared: declaredOf(options, commit) })
}

function filesOf({ outputs }: SinkCommit): readonly ParquetFile[] {
  return outputs.get('rows') ?? []
}

function declaredOf({ columns }: TableSinkOptions, commit: SinkCommit): readonly Column[] {
  return columns ?? commit.columns.get('rows') ?? []
}

function propertiesOf({ changeFeed, deletionVectors = false, ...options }: TableSinkOptions): TableProperties {
  const { partitionBy, rules, retention } = options
  return {
    changeFeed,
    deletionVectors,
    ...(partitionBy === undefined ? {} : { partitionBy }),
    ...(rules === undefined ? {} : { rules }),
    ...(retention === undefined ? {} : { retention }),
  }
}

async function commitBatch(options: TableSinkOptions, commit: SinkCommit, attempts: Attempts): Promise<CommitOutcome> {
  const { target } = attempts
  let reason = ''
  for (let attempt = 1; attempt <= tries; attempt += 1) {
    const outcome = await tryCommit(options, commit, attempts)
    if (outcome.kind !== 'conflict') return outcome
    reason = outcome.message
    // A merge reads the table anew and writes other files; others are as good on the next snapshot.
    if (options.write.mode === 'merge') await dropPublished(target)
  }
  await dropPublished(target)
  return { kind: 'conflict', message: reason }
}

/** @param sifted the files without what was refused, and the rules that they are known to keep */
function attemptsOf(
  options: TableSinkOptions,
  commit: SinkCommit,
  { files = filesOf(commit), kept }: { readonly files?: readonly ParquetFile[]; readonly kept?: ReadonlySet<string> },
): Attempts {
  const { write, marking, duckdb, stagingDir } = options
  const target = writeTarget(options)
  const known = kept === undefined ? {} : { kept }
  const columns = declaredOf(options, commit)
  const common = { ...propertiesOf(options), target, files, columns, duckdb, stagingDir, ...known }
  if (write.mode === 'append') return { target, write: prepareAppend(common), first: null }
  if (write.mode === 'overwrite') return { target, write: prepareOverwrite({ ...common, ...write }), first: null }
  const { signal } = commit
  const merge = { ...write, ...common, ...(marking === undefined ? {} : { marking }), signal }
  return { target, write: (snapshot) => prepareMerge(merge, snapshot), first: null }
}

async function tryCommit(options: TableSinkOptions, commit: SinkCommit, attempts: Attempts): Promise<CommitOutcome> {
  const { table, clock } = options
  const { target, first } = attempts
  attempts.first = null
  const snapshot = first === null ? await table.snapshot() : first.snapshot
  if (!isAdmitted(snapshot, commit)) return fenced(target, snapshot, commit)
  const write = first?.write ?? (await workOut(options, commit, attempts, snapshot))
  const { written, ...described } = write
  const nowMs = clock.nowMs()
  const told = rangesToTell(snapshot, commit, nowMs)
  const txns = txnsOf(commit.pipeline, told, nowMs)
  const result = await commitPublished(target, {
    ...described,
    snapshot,
    actions: [...write.actions, ...txns.map((txn) => ({ txn }))],
    txnId: commit.txnId,
    millrace: batchOf({ ...commit, ranges: [...commit.ranges, ...told] }),
    admits: (newest) => isAdmitted(newest, commit),
  })
  return outcomeOf(result, target, commit, written)
}

/** Publishes a write on top of a snapshot. `TABLE_CONFLICT`, retryable, where files of that went while they were read. */
async function workOut(
  { table, store }: TableSinkOptions,
  { signal }: SinkCommit,
  { target, write }: Attempts,
  snapshot: Snapshot | null,
): Promise<TableWrite> {
  if (snapshot === null) await assertNotNested(store, table.path)
  try {
    return await publishing(target, async () => {
      const worked = await write(snapshot)
      checkAbandoned(signal, table.path)
      return worked
    })
  } catch (cause) {
    if (!isFileMissing(cause) || (await table.snapshot())?.version === snapshot?.version) throw cause
    const message = `table ${table.path}: files that were being read have been replaced and deleted (try again)`
    throw new MillraceError('TABLE_CONFLICT', message, { retryable: true, cause })
  }
}

/** Whether a data file was not there when it was to be read. */
function isFileMissing(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return false
  return error.code === 'TABLE_CORRUPT' || /no such file|no files found/i.test(error.message)
}

/**
 * The ranges whose ends are written: those that move a position, since others would only be in the way of other writers; and
 * empty ones where one has not moved for so long that another engine may soon drop it from the log.
 */
function rangesToTell(snapshot: Snapshot | null, { pipeline, ranges }: SinkCommit, nowMs: number): Range[] {
  if (snapshot === null) return [...ranges]
  const { txns, metaData } = snapshot
  const held = positionOf(txns, pipeline)
  const moved = ranges.filter(({ sourcePartition, end }) => held.get(sourcePartition) !== end)
  const ageing = positionOf(new Map([...txns].filter(([, txn]) => isAgeing(metaData, txn, nowMs))), pipeline)
  const names = new Set(moved.map(({ sourcePartition }) => sourcePartition))
  const kept = [...ageing].filter(([sourcePartition]) => !names.has(sourcePartition))
  return [...moved, ...kept.map(([sourcePartition, at]) => ({ sourcePartition, start: at, end: at }))]
}

/** The commit rule on a table; one that does not exist holds no position. */
function isAdmitted(head: TableHead | null, { pipeline, ranges, initial }: SinkCommit): boolean {
  return admits(positionOf(head?.txns ?? new Map(), pipeline), ranges, initial)
}

async function fenced(target: WriteTarget, head: TableHead | null, { pipeline }: SinkCommit): Promise<CommitOutcome> {
  await dropPublished(target)
  return { kind: 'fenced', position: positionOf(head?.txns ?? new Map(), pipeline) }
}

async function outcomeOf(
  result: TransactionResult,
  target: WriteTarget,
  commit: SinkCommit,
  written: TableWrite['written'],
): Promise<CommitOutcome> {
  switch (result.kind) {
    case 'committed':
    case 'already-committed':
      return { kind: result.kind, version: result.version, written }
    case 'refused':
      return fenced(target, result.head, commit)
    case 'conflict':
      return { kind: 'conflict', message: result.reason }
  }
}

function batchOf({ pipeline, fingerprint, ranges }: SinkCommit): NonNullable<Transaction['millrace']> {
  const spans = ranges.map((range) => [range.sourcePartition, [String(range.start), String(range.end)]] as const)
  return { pipeline, fingerprint, ranges: Object.fromEntries(spans) }
}
