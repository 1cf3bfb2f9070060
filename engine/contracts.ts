/**
 * The contracts between the loop and everything that it drives. Types only: `connectors`, `operators` and
 * `checkpoints` implement or use them, and nothing here knows any of them.
 */
import type { Table as ArrowTable } from 'apache-arrow'
import type { EmbeddingCounts } from './embedder.ts'
import type { Column, ParquetFile } from './schema.ts'

// ---------------------------------------------------------------------------------------------- positions

/**
 * Half-open span `[start, end)` of one source partition: `start` is the first offset (or table version) in it, `end`
 * the next one to read. Empty when both are equal.
 */
export interface Range {
  /** `<topic>/<partition>` for a log, the table id for a table. */
  readonly sourcePartition: string
  readonly start: bigint
  readonly end: bigint
}

/** Next offset (or table version) to read, per source partition. Never the last one read. */
export type Position = ReadonlyMap<string, bigint>

/** `exactly-once`: the effect happens once, proven by the sink's own transaction. `idempotent`: twice equals once. */
export type Delivery = 'exactly-once' | 'idempotent'

// ---------------------------------------------------------------------------------------------- descriptions

/** Plain JSON: what a definition is made of, so that it can be printed, hashed and sent to a worker. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined }

/** What `kafka({...})` or `delta({...})` returns for reading: data, connected to nothing. */
export interface SourceDescription {
  readonly kind: string
  /** `records`: raw messages with offsets, read by workers. `table`: rows of a table, as Parquet files. */
  readonly shape: 'records' | 'table'
  /** What it reads, for messages and for ordering pipelines: `topic:tmdb.movies`, `table:silver/movies`. */
  readonly reads: string
  readonly options: { readonly [key: string]: Json | undefined }
  /** See {@link Step.problems}. */
  readonly problems?: readonly string[]
}

/** What `delta({...})`, `olap({...})` and the like return for writing. */
export interface SinkDescription {
  readonly kind: string
  /** What it writes: `table:bronze/movies`, `store:olap`. */
  readonly writes: string
  /** Names of its inputs, each the id of the step that feeds it; a sink with one input calls it `rows`. */
  readonly inputs: { readonly [input: string]: string | undefined }
  readonly options: { readonly [key: string]: Json | undefined }
  /** See {@link Step.problems}. */
  readonly problems?: readonly string[]
}

/** One use of an operator. `from` are ids of steps or of sources; the rejected fork of step `a` is `a.rejected`. */
export interface Step {
  readonly id: string
  /** Kind of operator: `parse-critical`, `select`, `latest-by-key`, ... */
  readonly kind: string
  readonly executor: 'columns' | 'relational'
  readonly from?: readonly string[]
  /** Whether the step can send rows to the dead letters. */
  readonly rejects: boolean
  /** A row takes milliseconds or more: then even few rows of a file are dealt out to threads. */
  readonly slow?: true
  /** What its maker found wrong with it: the definition is refused with these among all its faults. */
  readonly problems?: readonly string[]
  readonly options: { readonly [key: string]: Json | undefined }
}

// ---------------------------------------------------------------------------------------------- sources

/** The largest a batch may be; whichever is reached first ends it. */
export interface Limits {
  readonly maxRecords: number
  readonly maxBytes: number
  /** Reading for one batch stops after this long, even if more is there. */
  readonly maxAgeMs: number
}

/** What a source names and does not find. */
export interface AbsentInput {
  /** `topic tmdb.movies`. */
  readonly what: string
  /** Whether it may be missing: it was read and is passed over now, or only a pattern stands for it. */
  readonly optional: boolean
  /** What to do about it. */
  readonly advice: string
}

interface SourceBase {
  /**
   * Where reading begins for a partition that no sink has a position for: the configured starting position or, if it was
   * added to what the sinks hold of this source, its first record.
   */
  start(held?: Position): Promise<Position>
  /** Whether {@link start} may give something else when it is asked again: then it is committed with the first batch. */
  readonly startMoves?: boolean
  /**
   * What the source *is*, as positions that never move: committed with every batch, so that the commit rule itself
   * refuses another source under the same name. Absent where the names of the source partitions say it already.
   */
  identity?(): Promise<Position>
  /** Next offset to be written, per source partition: where the source ends now. */
  latest(): Promise<Position>
  /** What the description names and is not there, as of the last {@link start} or {@link latest}. */
  absent?(): Promise<readonly AbsentInput[]>
  /** Whether a source partition that sinks hold and that is gone is passed over, as configured. */
  passesOver?(sourcePartition: string): boolean
  /**
   * The largest prefix of `range` that holds at most the limits, and at least one unit (a record, a table version)
   * if the range is not empty. Reads no values: a source that knows no sizes before it reads leaves the bytes to its
   * reader.
   */
  cut(range: Range, limits: Pick<Limits, 'maxRecords' | 'maxBytes'>): Promise<Range>
  /** Records still to be read in `range`, for lag; exact where cheap, else an estimate. */
  count(range: Range): Promise<number>
  /** Advisory, for lag tools: called after the sinks have committed. */
  commitOffsets(end: Position): Promise<void>
  close(): Promise<void>
}

/**
 * A source of raw records. The driver asks it for positions; workers read it through a {@link RecordReader}.
 * The same range always returns the same records while the source keeps them; what it no longer keeps is
 * `SOURCE_RANGE_LOST`, naming the missing range.
 */
export interface RecordSource extends SourceBase {
  readonly shape: 'records'
  /** The part of a range that is not kept any more and is passed over, as configured; null if there is none. */
  missing?(range: Range): Promise<Range | null>
  /** Present where processes may share the partitions; a run that reads everything itself leaves it alone. */
  readonly share?: PartitionShare
}

/** A process's part of a source's partitions. */
export interface PartitionShare {
  /** The partitions that are this process's for the batch that begins, until `release`; null for all of them. */
  hold(): Promise<ReadonlySet<string> | null>
  /** The batch is over: partitions may go to others. */
  release(): void
}

/** A source of table rows, as Parquet files. */
export interface TableSource extends SourceBase {
  readonly shape: 'table'
  /**
   * Local Parquet files holding the rows of `range`: files of a plain source, or of its change feed. Those that have to be
   * written for that are put into `stagingDir`, an existing folder.
   */
  files(range: Range, stagingDir: string): Promise<TableInput>
}

/** Where rows come from: raw records, or the files of a table. */
export type Source = RecordSource | TableSource

/** Rows of a table source's range: every file has (a subset of) `columns`; missing ones read as null. */
export interface TableInput {
  readonly columns: ParquetFile['columns']
  readonly files: readonly TableInputFile[]
}

/** One Parquet file of a table source. */
export interface TableInputFile {
  readonly path: string
  /**
   * Columns that are constant for the whole file and not stored in it, as SQL-free values. A change feed puts
   * `_change_type` (when the file has none of its own) and `_commit_version` here.
   */
  readonly constants: { readonly [column: string]: string | bigint | null }
}

/**
 * Record columns, in this order and with these Arrow types, of every batch a {@link RecordReader} yields:
 * `topic` Utf8, `partition` Int32, `offset` Int64, `timestamp` Timestamp<us, UTC>, `key` Binary (nullable), `value`
 * Binary (nullable: a tombstone), `headers` List<Struct<key: Utf8, value: Binary>>.
 */
export interface RecordReader {
  /**
   * The records of `range` in offset order, as Arrow tables of any size. Stops early, on a record boundary, once
   * `maxBytes` of keys, values and headers have been yielded (at least one record is). The caller learns where it stopped from
   * the last `offset` seen and `reached()`.
   */
  read(range: Range, options: { readonly maxBytes: number; readonly signal: AbortSignal }): AsyncIterable<RecordChunk>
  close(): Promise<void>
}

/** Consecutive records of one source partition. Valid until the next is asked for: its memory may be used again. */
export interface RecordChunk {
  readonly table: ArrowTable
  /** Next offset to read after this chunk: past every record, gaps included. */
  readonly end: bigint
}

// ---------------------------------------------------------------------------------------------- sinks

/** What a sink holds of a pipeline's source. */
export interface SinkPosition {
  readonly position: Position
  /** Fingerprint of the definition that made the last commit; null before the first. */
  readonly fingerprint: string | null
  /** Sum of what the pipeline's commits wrote and skipped, where the sink keeps it. */
  readonly totals?: WriteCounts
}

/** One batch, as it is handed to one sink. */
export interface SinkCommit {
  readonly pipeline: string
  /** Unique per attempt; written into the commit, so that our own commit is recognised after a lost answer. */
  readonly txnId: string
  readonly fingerprint: string
  readonly ranges: readonly Range[]
  /** Where a partition begins for which the sink has no position yet. */
  readonly initial: Position
  /** Rows per input of the sink's description, as Parquet files in staging. An input without rows has none. */
  readonly outputs: ReadonlyMap<string, readonly ParquetFile[]>
  /** Columns per input, where they are known although it has no rows: a table may have to be made for nothing yet. */
  readonly columns: ReadonlyMap<string, readonly Column[]>
  readonly signal: AbortSignal
}

/** A batch that a sink holds and shall hold no more. */
export interface SinkUndo {
  readonly pipeline: string
  /** Unique per attempt. */
  readonly txnId: string
  /** What the batch covered: the sink's position is at their ends. */
  readonly ranges: readonly Range[]
}

/** Rows written and skipped, by what they are (`rows`, `inserted`, `relationships`, ...). */
export interface WriteCounts {
  readonly [what: string]: number
}

/** A row that a store did not take, for what is in it. */
export interface RefusedRow {
  /** Input of the sink that it came by. */
  readonly input: string
  /** The row, as JSON text: keys first. */
  readonly row: string
  /** The store's own words. */
  readonly message: string
}

/** Rows that a store did not take, as a file of dead letters: for those of which there may be too many to hold. */
export interface RefusedFile {
  /** One of them, for messages. */
  readonly first: RefusedRow
  /** Columns of a dead letter, complete. It stays where it is until the sink commits or abandons. */
  readonly file: ParquetFile
}

/** What became of a commit. Anything else is thrown. */
export type CommitOutcome =
  | { readonly kind: 'committed'; readonly version?: bigint; readonly written: WriteCounts }
  /** Our own commit, whose answer had got lost. */
  | { readonly kind: 'already-committed'; readonly version?: bigint; readonly written: WriteCounts }
  /** Somebody else's progress: drop the batch, read the position again. */
  | { readonly kind: 'fenced'; readonly position: Position }
  /** Another writer touched what we read more often than the sink cared to retry: run the batch again. */
  | { readonly kind: 'conflict'; readonly message: string }

/**
 * Where rows go. `commit` has its effect once: it must refuse (`fenced`) unless, in the state that it commits on top
 * of, the position of every range's partition equals the range's start (absent: `initial`). Throws a
 * {@link MillraceError}; `retryable` says whether the loop may try the batch again.
 */
export interface Sink {
  /** What it writes to, for messages: `table bronze/movies`. */
  readonly name: string
  readonly delivery: Delivery
  /** Whether it moves the files that it is handed, so that nobody else may be handed the same. */
  readonly movesFiles?: boolean
  position(pipeline: string): Promise<SinkPosition>
  /**
   * Does of a commit all that can fail for good, short of making the batch count. Throws what `commit` would: names and types of
   * columns, a missing topic, whatever no later try can mend; afterwards only a change of the store itself can make `commit` throw such
   * an error. Returns the rows that the store refuses for their content: they go to the dead letters, which are committed before. The
   * commit of the same `txnId` follows and writes all others; or `abandon`, if there will be none. A range that is prepared again
   * refuses the same rows. Of a range that is not the next one it finds nothing: `commit` says `fenced`.
   */
  prepare?(commit: SinkCommit): Promise<readonly RefusedRow[] | RefusedFile>
  abandon?(): Promise<void>
  commit(commit: SinkCommit): Promise<CommitOutcome>
  /**
   * Takes the pipeline's newest batch back in one commit: what it wrote is gone, and the position is at the starts of its ranges; nothing
   * where it is there already. A log keeps the records and takes back the position alone ({@link Sink.keepsUndone}). `SINK_FAILED` where it
   * can no longer be told what the batch wrote. Sinks that never can have no such method.
   */
  undo?(undo: SinkUndo): Promise<void>
  /** Whether rows of a batch that is taken back stay. */
  readonly keepsUndone?: boolean
  close(): Promise<void>
}

/** A sink of which few rows are refused at a time, so that it can hold them. */
export interface RowRefusingSink extends Sink {
  prepare(commit: SinkCommit): Promise<readonly RefusedRow[]>
}

// ---------------------------------------------------------------------------------------------- executors

/** Where an output of a stage comes from: a step's valid rows, or its rejected fork as dead letters. */
export interface StageOutput {
  readonly step: string
  readonly fork: 'valid' | 'rejected'
}

/** Neighbouring steps that one executor runs as one. */
export interface Stage {
  readonly id: string
  readonly executor: 'columns' | 'relational'
  /** In an order in which every step comes after those it reads from. */
  readonly steps: readonly Step[]
  /** Ids of sources, or of steps of earlier stages, that it reads. */
  readonly inputs: readonly string[]
  readonly outputs: readonly StageOutput[]
}

/** One input of a stage, as the loop hands it over. */
export type StageInput =
  | {
      readonly kind: 'records'
      readonly source: SourceDescription
      readonly ranges: readonly Range[]
      /** What the ranges were planned on ({@link Source.identity}): a reader refuses anything else. */
      readonly identity?: Position
    }
  | { readonly kind: 'table'; readonly table: TableInput }
  /** `columns`: of the rows, where they are known although there are none. */
  | { readonly kind: 'files'; readonly files: readonly InputFile[]; readonly columns?: readonly Column[] }

/** A Parquet file that a stage reads, or those of its rows that one task reads. */
export interface InputFile extends ParquetFile {
  /** Absent: all of them. `from` counts from 0. */
  readonly part?: { readonly from: number; readonly rows: number }
}

/** One stage of one batch, as an executor gets it. */
export interface StageRun {
  readonly pipeline: string
  readonly stage: Stage
  readonly inputs: ReadonlyMap<string, StageInput>
  /** Local directory for the files written; on the lake's own filesystem when that is local. */
  readonly stagingDir: string
  readonly limits: Limits
  readonly signal: AbortSignal
  /** Told now and then how far a stage is that takes seconds; not of its end. */
  readonly onProgress?: (progress: StageProgress) => void
}

/** How far a stage is that embeds texts. */
export interface StageProgress {
  readonly step: string
  /** Rows of which the vectors are there. */
  readonly embedded: number
  /** Rows that the stage reads; null where that is not known before. */
  readonly of: number | null
}

/** What an executor made of a stage. Nothing refers to its files yet. */
export interface StageResult {
  /** Files per output, keyed `step` or `step.rejected`; none for an output without rows. */
  readonly outputs: ReadonlyMap<string, readonly ParquetFile[]>
  /** Columns per output, where they are known although it has no rows; dead letters excepted. */
  readonly columns: ReadonlyMap<string, readonly Column[]>
  /** What was really read of each records range: the same start, an end at or before the planned one. */
  readonly ranges: readonly Range[]
  readonly rowsIn: number
  readonly bytesIn: number
  /** Rows that broke a `warn` or `drop` expectation, by step. */
  readonly violations: ReadonlyMap<string, number>
  /** Texts that became vectors; absent where none did. */
  readonly embedded?: EmbeddingCounts
}

/** Runs stages of its kind. Pure in its inputs: run again, a stage gives the same rows. */
export interface Executor {
  /** Gets ready in the background, once, for stages that read these sources. What goes wrong is told by their runs. */
  prepare?(sources: readonly SourceDescription[]): void
  run(run: StageRun): Promise<StageResult>
  close(): Promise<void>
}

// ---------------------------------------------------------------------------------------------- storage

/** An object, as listing tells of it. */
export interface ObjectInfo {
  readonly key: string
  readonly sizeBytes: number
  readonly modifiedMs: number
}

/**
 * Objects under one root (a lake). Keys are `/`-separated, relative, without `.` or `..`. What is written is durable
 * before the call returns. No key is ever both an object and a folder.
 */
export interface ObjectStore {
  /** For messages: `file:///…` or `s3://…`, never with credentials. */
  readonly url: string
  /** Whether files that tables name by absolute paths outside of the root are refused. Default false. */
  readonly confined?: boolean
  /** The whole object, or null if there is none. */
  get(key: string): Promise<Uint8Array | null>
  /** Objects whose key starts with `prefix` and is greater than `startAfter`, in UTF-8 byte order of keys. */
  list(prefix: string, startAfter?: string): AsyncIterable<ObjectInfo>
  /**
   * Creates the object whole or not at all: true if it is ours, false if the key existed already. Anything thrown
   * leaves the outcome unknown: it may have been written.
   */
  putIfAbsent(key: string, body: Uint8Array): Promise<boolean>
  /** Creates or replaces the object, whole or not at all. For hints, never for anything that must not be lost. */
  put(key: string, body: Uint8Array): Promise<void>
  /** Moves a finished local file into the store under a new, unique key. The local file is gone afterwards. */
  putFile(key: string, localPath: string): Promise<void>
  /** A local path with the object's bytes, for readers that need a file (DuckDB). `TABLE_CORRUPT` if missing. */
  localFile(key: string): Promise<string>
  /** Deletes the object; fine if it is not there. */
  delete(key: string): Promise<void>
}

// ---------------------------------------------------------------------------------------------- time and chance

/** Injected time. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number
  /** Resolves after `ms`, or at once when the signal aborts (it never rejects). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Injected randomness: file names and transaction ids, jitter. */
export interface Ids {
  uuid(): string
  /** In [0, 1). */
  random(): number
}
