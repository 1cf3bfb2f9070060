/** `delta({...})`: a table of the lake as source or sink. Data only. */
import type { SinkDescription, SourceDescription } from '../../engine/contracts.ts'
import type { Column } from '../../engine/schema.ts'
import { examine } from '../../engine/shape.ts'
import { deltaShape } from './option-shapes.ts'

export interface DeltaSourceOptions {
  /** Path in the lake: `bronze/movies`. */
  readonly table: string
  /** Read what changed (`_change_type`, `_commit_version` and the table's columns) instead of what was added. */
  readonly changeFeed?: boolean
}

interface DeltaSinkBase {
  readonly table: string
  /** Step whose rows are written; default the last one. */
  readonly from?: string
  /** Columns of a table that may have to be created before the first row is seen. */
  readonly columns?: readonly Column[]
  /** Keep a change feed (`delta.enableChangeDataFeed`), for pipelines that follow this table. */
  readonly changeFeed?: boolean
  /**
   * Mark the rows that a merge changes as deleted where they are, instead of rewriting their files
   * (`delta.enableDeletionVectors`): the fewer rows of a file change, the more is saved. Readers must support deletion
   * vectors; Spark, delta-rs, DuckDB and ClickHouse do, PyArrow does not. Default: a table that a merge creates has them, an
   * existing one keeps what it has. `true` refuses a table without them.
   */
  readonly deletionVectors?: boolean
  /**
   * Part the files of a table that is to be made by the values of these columns, so that who looks for some of them opens
   * no other file. For columns with few values: every batch writes at least one file for each value in it. A table that is
   * there keeps its partition columns.
   */
  readonly partitionBy?: readonly string[]
  /**
   * When so many small files of about one size have come together (in a partition), they are written as one, by the pipeline
   * itself and without a change that readers would see. 0: never. Default 32.
   */
  readonly compactAfter?: number
  /**
   * How long past versions stay readable (`15m`, `2h`, `7d`): for time travel, and for queries that run on them. Written as
   * `delta.deletedFileRetentionDuration` and, at least an hour, `delta.logRetentionDuration`, to an existing table as well. What a
   * pipeline has still to read is kept longer. Default of tables that are created: `15m` where rows are merged or overwritten,
   * `7d` where they are appended, or the setting `retention`; an existing table keeps what it has.
   */
  readonly retention?: string
  /** Whether the pipeline deletes files itself that are past the retention, beside its batches. Default true. */
  readonly vacuum?: boolean
  /**
   * Columns of a table that is to be made which hold no nulls. A row with a null in one of them is a dead letter; without dead letters
   * its batch fails.
   */
  readonly notNull?: readonly string[]
  /**
   * Conditions in Spark SQL, by name, that every row of a table that is to be made keeps: `{ positive: 'votes >= 0' }`. A row
   * for which one is false or null is a dead letter; without dead letters its batch fails. Where clauses of a merge make the row, its
   * batch fails in any case.
   */
  readonly check?: { readonly [name: string]: string }
}

/** Rows are added; none is ever changed. */
export interface DeltaAppendOptions extends DeltaSinkBase {
  readonly mode: 'append'
}

/**
 * What a merge does to a row. Conditions and expressions are Spark SQL over `source.<column>`, the row that comes, and
 * `target.<column>`, the row that is there; of a batch's rows with one key only the newest comes.
 */
export interface DeltaMergeClause {
  /** The clause decides of rows of which this is true; not of those of which it is false or null. Default: of all. */
  readonly if?: string
  /** `keep`: the row that is there stays as it is, or the row that comes is left out. */
  readonly then: 'update' | 'delete' | 'insert' | 'keep'
  /**
   * Values of columns. An update leaves the others as they are, in an insert they are null; the key is always that of the row
   * that comes. Without it, all of that row is taken. Name the `newer` columns as well, or an older row may follow.
   */
  readonly set?: { readonly [column: string]: string }
}

/** Clauses of a merge, by the rows that they are for. The first whose condition is true decides; if none is, nothing is done. */
export interface DeltaMergeClauses {
  /**
   * For a row that comes and the one with its key that is there, where it is newer than that: `update`, `delete`, `keep`.
   * Default: an update.
   */
  readonly whenMatched?: readonly DeltaMergeClause[]
  /** For a row that comes with a key that is not there: `insert`, `keep`. Default: an insert. */
  readonly whenNotMatched?: readonly DeltaMergeClause[]
  /**
   * For a row that is there and whose key no row of the batch has, also of a batch without rows: `update`, `delete`, `keep`.
   * Only for pipelines of which every batch is all that there is. Default: it stays. Files that conditions on partition
   * columns, or on columns beside literals, rule out are not read.
   */
  readonly whenNotMatchedBySource?: readonly DeltaMergeClause[]
}

/** Rows are inserted, replaced or deleted by key, if they are newer than what is there. */
export interface DeltaMergeOptions extends DeltaSinkBase, DeltaMergeClauses {
  readonly mode: 'merge'
  /** Columns that identify a row. */
  readonly key: readonly string[]
  /** Columns, compared in order: a row replaces another only if these are greater. */
  readonly newer: readonly string[]
}

/** The rows of each batch take the place of all that is there: also if it has none. */
export interface DeltaOverwriteOptions extends DeltaSinkBase {
  readonly mode: 'overwrite'
  /**
   * Replace only the partition of these values, by partition column: `{ year: 2026 }`. A batch with a row of another one
   * fails.
   */
  readonly replaceWhere?: { readonly [column: string]: string | number | boolean | null }
}

/** How rows become part of the table. */
export type DeltaSinkOptions = DeltaAppendOptions | DeltaMergeOptions | DeltaOverwriteOptions

/** A Delta table: with `mode` a sink, without one a source. What is wrong with the options the definition is refused with. */
export function delta(options: DeltaSinkOptions): SinkDescription
export function delta(options: DeltaSourceOptions): SourceDescription
export function delta(options: DeltaSinkOptions | DeltaSourceOptions): SinkDescription | SourceDescription {
  const { value, problems } = examine(options, deltaShape, 'delta')
  // nothing is opened by a description with problems: it may stand for either
  if (problems !== undefined) return { ...sinkOf('?', undefined, {}), ...sourceOf('?', {}), problems }
  if (!('mode' in value) || value.mode === undefined) return sourceOf(value.table, { ...value })
  const { from, ...rest } = value
  return sinkOf(value.table, from, rest as unknown as SinkDescription['options'])
}

function sourceOf(table: string, options: SourceDescription['options']): SourceDescription {
  return { kind: 'delta', shape: 'table', reads: `table:${table}`, options }
}

function sinkOf(table: string, from: string | undefined, options: SinkDescription['options']): SinkDescription {
  return { kind: 'delta', writes: `table:${table}`, inputs: { rows: from }, options }
}
