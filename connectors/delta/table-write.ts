/** What one try of a sink puts into a table: data files under their final names, and the actions that refer to them. */

import type { Clock, Ids, ObjectStore, WriteCounts } from '../../engine/contracts.ts'
import { writeFailure } from '../../engine/disk-full.ts'
import type { Connection } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'
import type { Action, AddCdcFile, AddFile, MetaData, RemoveFile } from './actions.ts'
import { assertColumnNames } from './column-names.ts'
import { type Constraint, constraintsOf } from './constraints/constraints.ts'
import { assertRules, missingRules, type TableRules } from './constraints/rules.ts'
import { createActions } from './create.ts'
import type { VectorFile } from './deletion-vectors/vector-file.ts'
import { assertPartitionBy } from './partitions/partition-by.ts'
import { encodedPath, partitionFolder } from './partitions/partition-path.ts'
import type { PartedFile } from './partitions/parts.ts'
import { assertWritable, writesDeletionVectors } from './protocol.ts'
import { retentionProperties, type WantedRetention } from './retention.ts'
import { evolveSchema, printEvolvedSchema } from './schema.ts'
import { printStatistics } from './statistics.ts'
import type { DeltaTable, Snapshot, TransactionReads } from './table.ts'

/** Everything of a transaction but the position and who asked for it. */
export interface TableWrite {
  readonly actions: readonly Action[]
  readonly reads: TransactionReads
  readonly operation: string
  readonly operationParameters: Readonly<Record<string, unknown>>
  readonly operationMetrics: Readonly<Record<string, string>>
  readonly written: WriteCounts
}

/** Where a write puts its files. */
export interface WritePlace {
  readonly table: DeltaTable
  readonly store: ObjectStore
  readonly clock: Clock
  readonly ids: Ids
}

/** The same, and what a write has put there so far. */
export interface WriteTarget extends WritePlace {
  /** Keys of files that no log entry refers to yet. */
  readonly published: string[]
  /** When the work for it began. */
  readonly startedMs: number
}

/** Where a write puts its files that begins now. */
export function writeTarget({ table, store, clock, ids }: WritePlace): WriteTarget {
  return { table, store, clock, ids, published: [], startedMs: clock.nowMs() }
}

/** Moves a staged file into the table's folder. It is part of the table once its action is committed. */
export async function publishDataFile(target: WriteTarget, { file, partitionValues }: PartedFile): Promise<AddFile> {
  const path = `${partitionFolder(partitionValues)}part-${target.ids.uuid()}.snappy.parquet`
  await publish(target, path, file)
  return {
    path: encodedPath(path),
    partitionValues,
    size: BigInt(file.sizeBytes),
    modificationTime: BigInt(Math.floor(target.clock.nowMs())),
    dataChange: true,
    stats: printStatistics(file),
  }
}

/** Moves a staged file into the table's change feed. */
export async function publishChangeFile(
  target: WriteTarget,
  { file, partitionValues }: PartedFile,
): Promise<AddCdcFile> {
  const path = `_change_data/${partitionFolder(partitionValues)}cdc-${target.ids.uuid()}.snappy.parquet`
  await publish(target, path, file)
  return { path: encodedPath(path), partitionValues, size: BigInt(file.sizeBytes), dataChange: false }
}

/** Puts the file of a commit's deletion vectors into the table's folder. */
export async function publishVectorFile(target: WriteTarget, file: VectorFile): Promise<void> {
  const key = `${target.table.path}/${file.path}`
  target.published.push(key)
  await target.store.putIfAbsent(key, file.bytes())
  faultPoint('data-file-published')
}

async function publish(target: WriteTarget, path: string, file: ParquetFile): Promise<void> {
  const key = `${target.table.path}/${path}`
  target.published.push(key) // before the move: a move that fails half-way is cleaned up as well
  await target.store.putFile(key, file.path)
  faultPoint('data-file-published')
}

/**
 * Deletes files that no log entry will ever refer to. Never to be called while the outcome of a commit is unknown.
 * What cannot be deleted stays behind as an orphan: nobody reads it.
 */
export async function dropPublished(target: WriteTarget): Promise<void> {
  for (const key of target.published.splice(0)) {
    try {
      await target.store.delete(key)
    } catch {
      // Best effort: the batch's own outcome matters more than an unreferenced file.
    }
  }
}

/** Work before a commit: what it published is dropped if it fails. */
export async function publishing<T>(target: WriteTarget, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await dropPublished(target)
    throw error
  }
}

/** The action that takes a live file out of the table. */
export function removalOf(add: AddFile, nowMs: number): RemoveFile {
  return {
    path: add.path,
    deletionTimestamp: BigInt(Math.floor(nowMs)),
    dataChange: true,
    extendedFileMetadata: true,
    partitionValues: add.partitionValues,
    size: add.size,
    ...(add.deletionVector === undefined ? {} : { deletionVector: add.deletionVector }),
  }
}

/** How a table is to be, should it have to be created. */
export interface TableProperties {
  readonly changeFeed: boolean
  /** `if-new`: one that is there keeps its own. */
  readonly deletionVectors: boolean | 'if-new'
  /** How long it keeps its past. */
  readonly retention?: WantedRetention
  /** Columns that its files are parted by. A table that is there keeps its own; other ones are refused. */
  readonly partitionBy?: readonly string[]
  /** Columns that hold no nulls, and conditions by name that every row keeps: a table that is there must have them, too. */
  readonly rules?: TableRules
}

/** A table's columns for a write, and how the log is told of them. */
export interface SchemaChange {
  readonly columns: readonly Column[]
  readonly partitionColumns: readonly string[]
  /** What every row that is written has to keep. */
  readonly constraints: readonly Constraint[]
  /** None, the actions that create the table, or a `metaData` with the columns that it grew by. */
  readonly actions: readonly Action[]
}

/**
 * Fits the columns of staged files into the table, or creates it. `SCHEMA_MISMATCH`, `TABLE_UNSUPPORTED`, and `CONFIG_INVALID`
 * for a table that is there and not as the sink wants it.
 */
export function fitSchema(
  target: Pick<WriteTarget, 'table' | 'clock' | 'ids'>,
  snapshot: Snapshot | null,
  incoming: readonly (readonly Column[])[],
  options: TableProperties & { readonly declared: readonly Column[] },
): SchemaChange {
  if (snapshot !== null) assertWritable(target.table.path, snapshot.protocol, snapshot.metaData) // says more than that columns do not fit
  let columns = snapshot?.columns ?? options.declared
  try {
    for (const arriving of incoming) columns = grow(columns, arriving)
  } catch (error) {
    throw named(target.table.path, error)
  }
  if (snapshot === null) return change(columns, newTable(target, columns, options))
  const { metaData } = snapshot
  refuseUnfit(target.table.path, snapshot, options)
  const configuration = configured(metaData, options)
  if (columns === snapshot.columns && configuration === metaData.configuration) return change(columns, [], metaData)
  assertGrown(target.table.path, snapshot, columns)
  const schemaString =
    columns === snapshot.columns ? metaData.schemaString : printEvolvedSchema(metaData.schemaString, columns)
  return change(columns, [{ metaData: { ...metaData, schemaString, configuration } }])
}

/** The table's properties, with the retention that a sink asks of it. The same object if they have it. */
function configured({ configuration }: MetaData, { retention }: TableProperties): MetaData['configuration'] {
  if (retention === undefined || !retention.adopted) return configuration
  const wanted = retentionProperties(retention.ms)
  const differs = Object.entries(wanted).some(([property, value]) => configuration[property] !== value)
  return differs ? { ...configuration, ...wanted } : configuration
}

/** @param metaData the table's, if the actions leave it as it is */
function change(columns: readonly Column[], actions: readonly Action[], metaData?: MetaData): SchemaChange {
  const now = actions.flatMap((action) => ('metaData' in action ? [action.metaData] : []))[0] ?? metaData!
  return { columns, actions, partitionColumns: now.partitionColumns, constraints: constraintsOf(now).enforced }
}

/** What a new table may not have, one that is there does not get either. */
function assertGrown(path: string, snapshot: Snapshot, columns: readonly Column[]): void {
  try {
    assertColumnNames(columns, { changeFeed: keepsChangeFeed(snapshot, false) })
  } catch (error) {
    throw named(path, error)
  }
}

function grow(columns: readonly Column[], arriving: readonly Column[]): readonly Column[] {
  const evolution = evolveSchema(columns, arriving)
  return evolution.kind === 'evolved' ? evolution.columns : columns
}

function newTable(
  { table, clock, ids }: Pick<WriteTarget, 'table' | 'clock' | 'ids'>,
  columns: readonly Column[],
  { changeFeed, deletionVectors, partitionBy = [], rules = {}, retention }: TableProperties,
): readonly Action[] {
  assertPartitionBy(table.path, partitionBy, columns.length === 0 ? null : columns)
  assertRules(table.path, rules, columns.length === 0 ? null : columns)
  const properties = {
    ...{ changeFeed, deletionVectors: deletionVectors !== false, partitionBy, rules },
    ...(retention === undefined ? {} : { configuration: retentionProperties(retention.ms) }),
  }
  if (columns.length > 0) return createActions({ columns, ...properties, id: ids.uuid(), nowMs: clock.nowMs() })
  throw new MillraceError(
    'SINK_FAILED',
    `table ${table.path} does not exist, and the first batch has no rows to take its columns from (name its columns in the sink: columns)`,
  )
}

function refuseUnfit(
  path: string,
  snapshot: Snapshot,
  { changeFeed, deletionVectors, partitionBy, rules = {} }: TableProperties,
): void {
  const { configuration, partitionColumns } = snapshot.metaData
  const lacking = missingRules(snapshot.metaData, rules)
  if (lacking.length > 0)
    throw new MillraceError(
      'CONFIG_INVALID',
      `table ${path} was made without ${lacking.join(', ')}, and its sink asks for it (add it with an engine that checks the rows that are there, or write to a new table)`,
    )
  if (partitionBy !== undefined && JSON.stringify(partitionBy) !== JSON.stringify(partitionColumns))
    throw new MillraceError(
      'CONFIG_INVALID',
      `table ${path} is partitioned by ${listed(partitionColumns)}, and its sink asks for ${listed(partitionBy)} (leave partitionBy out, or write to a new table)`,
    )
  if (changeFeed && configuration['delta.enableChangeDataFeed'] !== 'true')
    throw new MillraceError(
      'CONFIG_INVALID',
      `table ${path} was made without a change feed, and its sink asks for one (set delta.enableChangeDataFeed on the table, or write to a new one)`,
    )
  if (deletionVectors === true && !writesDeletionVectors(snapshot))
    throw new MillraceError(
      'CONFIG_INVALID',
      `table ${path} was made without deletion vectors, and its sink asks for them (set delta.enableDeletionVectors on the table, or write to a new one)`,
    )
}

function named(path: string, error: unknown): unknown {
  if (!(error instanceof MillraceError)) return error
  return new MillraceError(error.code, `table ${path}: ${error.message}`, { context: error.context, cause: error })
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.join(', ')
}

/** Whether commits to the table have to say which rows they changed. */
export function keepsChangeFeed(snapshot: Snapshot | null, asked: boolean): boolean {
  return snapshot === null ? asked : snapshot.metaData.configuration['delta.enableChangeDataFeed'] === 'true'
}

/** Throws if the batch has been abandoned: to be asked between long statements, never after the commit began. */
export function checkAbandoned(signal: AbortSignal, path: string): void {
  if (signal.aborted) throw new MillraceError('SINK_FAILED', `table ${path}: batch abandoned`, { retryable: true })
}

/** The connection with DuckDB's errors as ours, naming the table. */
export function onTable(connection: Connection, path: string): Connection {
  const wrap = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (cause) {
      throw writeFailure(`table ${path}: DuckDB failed`, cause)
    }
  }
  return {
    run: (sql) => wrap(connection.run(sql)),
    rows: (sql) => wrap(connection.rows(sql)),
    chunks: (sql) => connection.chunks(sql),
    keyedVectors: (sql, parameters) => connection.keyedVectors(sql, parameters),
    select: (sql, values) => wrap(connection.select(sql, values)),
    describe: (query) => wrap(connection.describe(query)),
  }
}
