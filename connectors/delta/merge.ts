/**
 * Upserting and deleting rows by key. Files in which a row changes are written anew or, where the table allows it and few of
 * their rows change, get a deletion vector; all others are left alone and, where statistics rule them out, not even opened.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Connection, Duckdb, Row } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'
import type { Action, AddFile } from './actions.ts'
import { assertRowsHavePlaces } from './column-names.ts'
import type { Constraint } from './constraints/constraints.ts'
import { enforce } from './constraints/enforce.ts'
import type { DeltaMergeClauses } from './description.ts'
import { assertClauses, hasClauses, mayChangeUnmatched, sqlClauses } from './merge-clauses.ts'
import { clausesPlan } from './merge-clauses-sql.ts'
import { type MergePlan, plainPlan } from './merge-plan.ts'
import { readSource, type Source } from './merge-source.ts'
import type { MergeShape } from './merge-sql.ts'
import { localDataFile } from './read.ts'
import type { Snapshot } from './table.ts'
import {
  checkAbandoned,
  fitSchema,
  keepsChangeFeed,
  onTable,
  removalOf,
  type SchemaChange,
  type TableProperties,
  type TableWrite,
  type WriteTarget,
} from './table-write.ts'
import {
  type Candidate,
  defaultMarking,
  type Marking,
  type Touched,
  touchedFiles,
  writeChanges,
} from './touched-files.ts'

export interface MergeOptions extends TableProperties, DeltaMergeClauses {
  readonly target: WriteTarget
  readonly files: readonly ParquetFile[]
  readonly key: readonly string[]
  readonly newer: readonly string[]
  readonly deleteWhen?: string
  /** Columns of the table, should it have to be created before there are rows. */
  readonly columns: readonly Column[]
  readonly duckdb: () => Promise<Duckdb>
  readonly stagingDir: string
  readonly signal: AbortSignal
  readonly marking?: Marking
  /** Names of rules that every row of `files` is known to keep. */
  readonly kept?: ReadonlySet<string>
}

/** Share of the memory that rows to merge may take as they lie in their files: unpacked they are several times as large. */
const loadedShare = 64

/** One try: the options, and the table as it is on this one. */
interface Merge extends MergeOptions {
  readonly connection: Connection
  readonly shape: MergeShape
  readonly plan: MergePlan
  readonly mostLoadedBytes: number
  readonly constraints: readonly Constraint[]
}

interface Counts {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  /** Rows of the source that did so. */
  readonly effective: number
}

/**
 * Works out and publishes the merge of staged rows on top of `snapshot`. A row of the source counts if its key is not
 * there, or if its `newer` columns are greater than those of the row that is there; the rest are counted as `stale`,
 * also when several rows of the source have one key (the newest is taken) and when a row to be deleted is not there, and those
 * that clauses leave without effect. `DEFINITION_INVALID` for clauses that do not fit the table.
 */
export async function prepareMerge(options: MergeOptions, snapshot: Snapshot | null): Promise<TableWrite> {
  const files = options.files.filter((file) => file.rows > 0)
  const schema = fitSchema(
    options.target,
    snapshot,
    options.files.map((file) => file.columns.filter((column) => column.name !== options.deleteWhen)),
    { ...options, declared: options.columns },
  )
  // a batch without rows is one in which no key is any more
  const acts = files.length > 0 || (snapshot !== null && (options.whenNotMatchedBySource ?? []).length > 0)
  if (!acts) return nothingChanged(schema.actions)
  const shape = shapeOf(options, schema)
  const plan = planOf(options, shape)
  const duckdb = await options.duckdb()
  const stagingDir = await mkdtemp(join(options.stagingDir, 'merge-'))
  try {
    return await duckdb.withConnection((bare) => {
      const connection = onTable(bare, options.target.table.path)
      const constraints = schema.constraints.filter(({ name }) => options.kept?.has(name) !== true)
      const mostLoadedBytes = duckdb.memoryLimitBytes / loadedShare
      const merge: Merge = { ...options, files, stagingDir, connection, shape, plan, mostLoadedBytes, constraints }
      return duckdb.reserve(neededBytes(files), () => runMerge(merge, snapshot, schema.actions))
    })
  } finally {
    await rm(stagingDir, { recursive: true, force: true })
  }
}

/** About what a merge takes: rows unpacked, held once to be matched and once more by the files that are written. */
function neededBytes(files: readonly ParquetFile[]): number {
  return 8 * files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

function shapeOf(
  { key, newer, deleteWhen, target }: MergeOptions,
  { columns, partitionColumns }: SchemaChange,
): MergeShape {
  assertRowsHavePlaces(target.table.path, columns)
  const missing = [...key, ...newer].filter((name) => !columns.some((column) => column.name === name))
  if (missing.length > 0)
    throw new MillraceError(
      'SCHEMA_MISMATCH',
      `table ${target.table.path}: rows to merge lack ${missing.join(', ')} (its columns are ${columns.map((c) => c.name).join(', ')})`,
    )
  return { columns, partitionColumns, key, newer, ...(deleteWhen === undefined ? {} : { deleteWhen }) }
}

function planOf(options: MergeOptions, shape: MergeShape): MergePlan {
  if (!hasClauses(options)) return plainPlan(shape)
  const { columns, key } = shape
  assertClauses(options.target.table.path, options, columns)
  return clausesPlan(shape, sqlClauses(options, key, columns), mayChangeUnmatched(options, columns))
}

async function runMerge(
  merge: Merge,
  snapshot: Snapshot | null,
  schemaActions: readonly Action[],
): Promise<TableWrite> {
  const { connection, shape, plan, target } = merge
  const source = await readSource(merge)
  const mayMatch = (file: AddFile) => source.mayMatch(file) || plan.mayChange(file)
  const candidates = await findCandidates(merge, snapshot, mayMatch)
  const files = candidates.map(({ file }) => file)
  for (const statement of plan.decide(files)) await connection.run(statement)
  const hits = new Map((await connection.rows(plan.hitFiles)).map((row) => [String(row.file), Number(row.changed)]))
  const counts = countsOf((await connection.rows(plan.counts))[0])
  await enforce({
    connection,
    constraints: merge.constraints,
    rows: plan.taken(files),
    key: shape.key,
    table: target.table.path,
  })
  const touched = touchedFiles(merge.marking ?? defaultMarking, snapshot, candidates, hits)
  const all = [...touched.rewritten, ...touched.marked]
  checkAbandoned(merge.signal, target.table.path)

  const { written, marked, cdc } = await writeChanges({
    ...merge,
    ...shape,
    changes: plan.changes(counts.inserted),
    touched,
    homelessBytes: homelessBytes(merge, counts),
    fed: keepsChangeFeed(snapshot, merge.changeFeed) ? all : null,
  })
  const removes = all.map(({ add }) => ({ remove: removalOf(add, target.clock.nowMs()) }))
  const read = candidates.filter(({ file }) => hits.has(file.path)).map(({ add }) => add.path)
  return {
    actions: [...schemaActions, ...removes, ...[...written, ...marked].map((add) => ({ add })), ...cdc],
    reads: { kind: 'files', files: new Set(read), mayMatch },
    ...described(merge, source, counts, { touched, added: written.length }),
  }
}

function countsOf(row: Row = {}): Counts {
  const [inserted, updated, deleted, effective] = ['inserted', 'updated', 'deleted', 'effective'].map((what) =>
    Number(row[what]),
  ) as [number, number, number, number]
  return { inserted, updated, deleted, effective }
}

async function findCandidates(
  { target: { store, table } }: Merge,
  snapshot: Snapshot | null,
  mayMatch: (file: AddFile) => boolean,
): Promise<Candidate[]> {
  const candidates: Candidate[] = []
  const files = (await snapshot?.files()) ?? new Map<string, AddFile>()
  for (const add of files.values())
    if (mayMatch(add)) candidates.push({ add, file: await localDataFile(store, table.path, add) })
  return candidates
}

/** About what rows that no rewritten file is home to take at most, by their share in the staged files. */
function homelessBytes({ files }: Merge, { inserted, updated }: Counts): bigint {
  const rows = files.reduce((sum, file) => sum + file.rows, 0)
  if (rows === 0) return 0n
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0)
  return BigInt(Math.ceil((sizeBytes * (inserted + updated)) / rows))
}

function described(merge: Merge, source: Source, counts: Counts, files: { touched: Touched; added: number }) {
  const { inserted, updated, deleted } = counts
  const { rewritten, marked } = files.touched
  return {
    ...operationOf(merge),
    operationMetrics: {
      numSourceRows: String(source.rows),
      numTargetRowsInserted: String(inserted),
      numTargetRowsUpdated: String(updated),
      numTargetRowsDeleted: String(deleted),
      numTargetFilesRemoved: String(rewritten.length),
      numTargetFilesAdded: String(files.added),
      numTargetDeletionVectorsAdded: String(marked.length),
    },
    written: {
      inserted,
      updated,
      deleted,
      stale: source.rows - counts.effective,
      filesRewritten: rewritten.length,
      ...(marked.length === 0 ? {} : { filesMarked: marked.length }),
    },
  }
}

function operationOf({ key, newer, ...clauses }: MergeOptions) {
  const said = (kind: keyof DeltaMergeClauses) =>
    (clauses[kind] ?? []).map(({ if: predicate, then: actionType }) => ({
      ...(predicate === undefined ? {} : { predicate }),
      actionType,
    }))
  const predicates = {
    matchedPredicates: JSON.stringify(said('whenMatched')),
    notMatchedPredicates: JSON.stringify(said('whenNotMatched')),
    notMatchedBySourcePredicates: JSON.stringify(said('whenNotMatchedBySource')),
  }
  const asked = { key: JSON.stringify(key), newer: JSON.stringify(newer) }
  return { operation: 'MERGE', operationParameters: hasClauses(clauses) ? { ...asked, ...predicates } : asked }
}

/** A position alone, or with it a table that has no rows yet. */
function nothingChanged(actions: readonly Action[]): TableWrite {
  return {
    actions,
    reads: { kind: 'blind-append' },
    operation: 'MERGE',
    operationParameters: {},
    operationMetrics: {},
    written: { inserted: 0, updated: 0, deleted: 0, stale: 0, filesRewritten: 0 },
  }
}
