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
import { changeTypeColumn } from './change-feed.ts'
import { assertRowsHavePlaces } from './column-names.ts'
import type { Constraint } from './constraints/constraints.ts'
import { enforce } from './constraints/enforce.ts'
import { vectorFile } from './deletion-vectors/vector-file.ts'
import { readSource, type Source } from './merge-source.ts'
import {
  changedRows,
  changes,
  countChanges,
  findHits,
  hitFiles,
  inserts,
  type MergeShape,
  partitionsOf,
  rewritten,
  taken,
  updatesIn,
} from './merge-sql.ts'
import { openParts, type Parts } from './partitions/parts.ts'
import { partitionKey } from './partitions/pruning.ts'
import { writesDeletionVectors } from './protocol.ts'
import { type LocalFile, localDataFile } from './read.ts'
import { looseStatistics, rowsOf } from './statistics.ts'
import type { Snapshot } from './table.ts'
import {
  checkAbandoned,
  fitSchema,
  keepsChangeFeed,
  onTable,
  publishChangeFile,
  publishDataFile,
  publishVectorFile,
  removalOf,
  type SchemaChange,
  type TableProperties,
  type TableWrite,
  type WriteTarget,
} from './table-write.ts'

export interface MergeOptions extends TableProperties {
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
}

/**
 * Touched files are written together, and inserts with them, as long as a new file comes from no more than this: small
 * files grow together, and yet a change of a few rows never costs the writing of much more.
 */
const rewriteBytes = 32n * 2n ** 20n

/** One try: the options, and the table as it is on this one. */
interface Merge extends MergeOptions {
  readonly connection: Connection
  readonly shape: MergeShape
  readonly constraints: readonly Constraint[]
}

/** A try that knows what it changes, and how its rows are parted. */
interface Writing extends Merge {
  readonly parts: Parts
}

/** A live file that may hold a key of the source, and where it is on this machine. */
interface Candidate {
  readonly add: AddFile
  readonly file: LocalFile
}

/** What becomes of the files in which a row changes. */
interface Touched {
  readonly rewritten: readonly Candidate[]
  /** Those that stay, with the rows that change marked as deleted. */
  readonly marked: readonly Candidate[]
}

/** Which files get a deletion vector, where a table allows it; the others are written anew. */
export interface Marking {
  /** Up to this share of a file's rows may be marked as deleted: every reader reads them all the same. */
  readonly mostShare: number
  /** Smaller files are written anew: they grow together, and it costs little. */
  readonly leastBytes: bigint
}

const defaultMarking: Marking = { mostShare: 0.2, leastBytes: 2n ** 20n }

interface Counts {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

/**
 * Works out and publishes the merge of staged rows on top of `snapshot`. A row of the source counts if its key is not
 * there, or if its `newer` columns are greater than those of the row that is there; the rest are counted as `stale`,
 * also when several rows of the source have one key (the newest is taken) and when a row to be deleted is not there.
 */
export async function prepareMerge(options: MergeOptions, snapshot: Snapshot | null): Promise<TableWrite> {
  const files = options.files.filter((file) => file.rows > 0)
  const schema = fitSchema(
    options.target,
    snapshot,
    options.files.map((file) => file.columns.filter((column) => column.name !== options.deleteWhen)),
    { ...options, declared: options.columns },
  )
  if (files.length === 0) return nothingChanged(schema.actions)
  const shape = shapeOf(options, schema)
  const duckdb = await options.duckdb()
  const stagingDir = await mkdtemp(join(options.stagingDir, 'merge-'))
  try {
    return await duckdb.withConnection((bare) => {
      const connection = onTable(bare, options.target.table.path)
      const merge: Merge = { ...options, files, stagingDir, connection, shape, constraints: schema.constraints }
      return runMerge(merge, snapshot, schema.actions)
    })
  } finally {
    await rm(stagingDir, { recursive: true, force: true })
  }
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

async function runMerge(
  merge: Merge,
  snapshot: Snapshot | null,
  schemaActions: readonly Action[],
): Promise<TableWrite> {
  const { connection, shape } = merge
  const source = await readSource(merge)
  const candidates = await findCandidates(merge, snapshot, source)
  const files = candidates.map(({ file }) => file)
  for (const statement of findHits(shape, files)) await connection.run(statement)
  const hits = new Map((await connection.rows(hitFiles(shape))).map((row) => [String(row.file), Number(row.changed)]))
  const counts = countsOf((await connection.rows(countChanges(shape)))[0])
  await enforce({
    connection,
    constraints: merge.constraints,
    rows: taken(shape),
    key: shape.key,
    table: merge.target.table.path,
  })
  const touched = parted(merge.marking ?? defaultMarking, snapshot, candidates, hits)
  const all = [...touched.rewritten, ...touched.marked]
  checkAbandoned(merge.signal, merge.target.table.path)

  const { clock } = merge.target
  const writing: Writing = { ...merge, parts: await partsOf(merge, all) }
  const written = await writeDataFiles(writing, touched, counts)
  const marked = touched.marked.length > 0 ? await markRows(merge, touched.marked) : []
  const cdc = keepsChangeFeed(snapshot, merge.changeFeed) && all.length > 0 ? await writeChanges(writing, all) : []
  const removes = all.map(({ add }) => ({ remove: removalOf(add, clock.nowMs()) }))
  const read = candidates.filter(({ file }) => hits.has(file.path)).map(({ add }) => add.path)
  return {
    actions: [...schemaActions, ...removes, ...[...written, ...marked].map((add) => ({ add })), ...cdc],
    reads: { kind: 'files', files: new Set(read), mayMatch: source.mayMatch },
    ...described(merge, source, counts, { touched, added: written.length }),
  }
}

/** @param changes how many rows of a file change, by its local path */
function parted(
  { mostShare, leastBytes }: Marking,
  snapshot: Snapshot | null,
  candidates: readonly Candidate[],
  changes: ReadonlyMap<string, number>,
): Touched {
  const mayMark = snapshot !== null && writesDeletionVectors(snapshot)
  const [rewritten, marked]: [Candidate[], Candidate[]] = [[], []]
  for (const candidate of candidates) {
    const { add, file } = candidate
    const changed = changes.get(file.path) ?? 0
    if (changed === 0) continue
    const rows = rowsOf(add)
    const deleted = file.deleted?.length ?? 0
    // a file whose rows nobody counted may have no deletion vector (PROTOCOL.md, "Deletion Vectors")
    const few = rows !== null && changed + deleted <= (Number(rows) + deleted) * mostShare
    if (mayMark && few && add.size >= leastBytes) marked.push(candidate)
    else rewritten.push(candidate)
  }
  return { rewritten, marked }
}

/** The same files with the rows that change, and those that were deleted before, in deletion vectors. */
async function markRows(merge: Merge, marked: readonly Candidate[]): Promise<AddFile[]> {
  const paths = marked.map(({ file }) => file.path)
  const rows = await merge.connection.rows(changedRows(merge.shape, paths))
  const changed = new Map(rows.map((row) => [String(row.file), row.rows as readonly bigint[]]))
  const vectors = vectorFile(merge.target.ids.uuid())
  const adds = marked.map(({ add, file }): AddFile => {
    const deleted = new Set([...(file.deleted ?? []), ...changed.get(file.path)!.map(Number)])
    const deletionVector = vectors.add([...deleted].sort((a, b) => a - b))
    return { ...add, dataChange: true, stats: looseStatistics(add.stats!), deletionVector }
  })
  await publishVectorFile(merge.target, vectors)
  return adds
}

async function findCandidates(merge: Merge, snapshot: Snapshot | null, source: Source): Promise<Candidate[]> {
  const { store, table } = merge.target
  const candidates: Candidate[] = []
  const files = (await snapshot?.files()) ?? new Map<string, AddFile>()
  for (const add of files.values())
    if (source.mayMatch(add)) candidates.push({ add, file: await localDataFile(store, table.path, add) })
  return candidates
}

function countsOf(row: Row = {}): Counts {
  return { inserted: Number(row.inserted), updated: Number(row.updated), deleted: Number(row.deleted) }
}

/** The rows to be written lie in partitions of the source's rows, and in those of the files that are written anew. */
function partsOf({ connection, shape, stagingDir, target }: Merge, touched: readonly Candidate[]): Promise<Parts> {
  return openParts({
    connection,
    dir: stagingDir,
    nextName: () => target.ids.uuid(),
    columns: shape.columns,
    partitionColumns: shape.partitionColumns,
    values: partitionsOf(shape, touched.map(({ file }) => file)), // biome-ignore format: one line
    name: `table ${target.table.path}`,
  })
}

/**
 * Rewritten files become new ones; what is inserted, and what becomes of marked rows, goes to the last of them while that is
 * small, else to one of its own. Where there are partitions, each query gives one file for each.
 */
async function writeDataFiles(
  merge: Writing,
  { rewritten: touched, marked }: Touched,
  counts: Counts,
): Promise<AddFile[]> {
  const groups = groupBySize(touched)
  const queries = groups.map(({ candidates }) =>
    rewritten(
      merge.shape,
      candidates.map(({ file }) => file),
    ),
  )
  const homeless = [
    ...(counts.inserted > 0 ? [inserts(merge.shape)] : []),
    ...(marked.length > 0 ? [updatesIn(merge.shape, marked.map(({ file }) => file.path))] : []), // biome-ignore format: one line
  ]
  if (homeless.length > 0) {
    const last = groups.at(-1)
    const room = last !== undefined && last.sizeBytes + homelessBytes(merge, counts) <= rewriteBytes
    const parts = room ? [queries.pop()!, ...homeless] : homeless
    queries.push(parts.map((part) => `(${part})`).join(' UNION ALL '))
  }
  const adds: AddFile[] = []
  for (const query of queries) {
    checkAbandoned(merge.signal, merge.target.table.path)
    for (const file of await merge.parts.write(query, merge.shape.columns))
      adds.push(await publishDataFile(merge.target, file))
  }
  return adds
}

interface Group {
  readonly candidates: readonly Candidate[]
  readonly sizeBytes: bigint
}

/** Files of one partition lie next to each other: only those can become one. */
function groupBySize(touched: readonly Candidate[]): Group[] {
  const groups: Group[] = []
  for (const candidate of byPartition(touched)) {
    const last = groups.at(-1)
    const sizeBytes = (last?.sizeBytes ?? 0n) + candidate.add.size
    if (last === undefined || sizeBytes > rewriteBytes)
      groups.push({ candidates: [candidate], sizeBytes: candidate.add.size })
    else groups[groups.length - 1] = { candidates: [...last.candidates, candidate], sizeBytes }
  }
  return groups
}

function byPartition(touched: readonly Candidate[]): readonly Candidate[] {
  const groups = Map.groupBy(touched, ({ add }) => partitionKey(add.partitionValues))
  return [...groups.values()].flat()
}

/** About what rows that no rewritten file is home to take at most, by their share in the staged files. */
function homelessBytes({ files }: Merge, { inserted, updated }: Counts): bigint {
  const rows = files.reduce((sum, file) => sum + file.rows, 0)
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0)
  return BigInt(Math.ceil((sizeBytes * (inserted + updated)) / rows))
}

async function writeChanges(merge: Writing, touched: readonly Candidate[]): Promise<Action[]> {
  const columns: Column[] = [...merge.shape.columns, changeTypeColumn]
  const query = changes(merge.shape, touched.map(({ file }) => file)) // biome-ignore format: one line
  const actions: Action[] = []
  for (const file of await merge.parts.write(query, columns))
    actions.push({ cdc: await publishChangeFile(merge.target, file) })
  return actions
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
      stale: source.rows - inserted - updated - deleted,
      filesRewritten: rewritten.length,
      ...(marked.length === 0 ? {} : { filesMarked: marked.length }),
    },
  }
}

function operationOf({ key, newer }: Pick<MergeOptions, 'key' | 'newer'>) {
  return { operation: 'MERGE', operationParameters: { key: JSON.stringify(key), newer: JSON.stringify(newer) } }
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
