/**
 * What becomes of files in which rows change: written anew, with the rows that stay and those that others become, or, where the
 * table allows it and few of their rows change, left as they are with these rows in a deletion vector.
 */
import type { Connection } from '../../engine/duckdb.ts'
import type { Column } from '../../engine/schema.ts'
import type { Action, AddFile } from './actions.ts'
import { changeTypeColumn } from './change-feed.ts'
import { vectorFile } from './deletion-vectors/vector-file.ts'
import { openParts, type PartedFile, type Parts } from './partitions/parts.ts'
import { partitionKey } from './partitions/pruning.ts'
import { writesDeletionVectors } from './protocol.ts'
import type { LocalFile } from './read.ts'
import { looseStatistics, rowsOf } from './statistics.ts'
import type { Snapshot } from './table.ts'
import {
  checkAbandoned,
  publishChangeFile,
  publishDataFile,
  publishVectorFile,
  type WriteTarget,
} from './table-write.ts'

/** Which files get a deletion vector, where a table allows it; the others are written anew. */
export interface Marking {
  /** Up to this share of a file's rows may be marked as deleted: every reader reads them all the same. */
  readonly mostShare: number
  /** Smaller files are written anew: they grow together, and it costs little. */
  readonly leastBytes: bigint
}

/**
 * What a write marks unless it is told otherwise. What the log says of a marked file takes some 4 KiB: of smaller files, writing
 * them together costs hardly more.
 */
export const defaultMarking: Marking = { mostShare: 0.2, leastBytes: 2n ** 16n }

/** A live file that may hold rows that change, and where it is on this machine. */
export interface Candidate {
  readonly add: AddFile
  readonly file: LocalFile
}

/** The files in which rows change. */
export interface Touched {
  readonly rewritten: readonly Candidate[]
  /** Those that stay, with the rows that change marked as deleted. */
  readonly marked: readonly Candidate[]
}

/** How rows change, as queries over the files that hold them: all of the table's columns, unless they say otherwise. */
export interface RowChanges {
  /** What is left of the rows of files, and what the others have become. */
  rewritten(files: readonly LocalFile[]): string
  /** What the rows that change have become, of these files; null: they are gone. */
  replaced(files: readonly LocalFile[]): string | null
  /** Rows of no file; null: none. */
  readonly added: string | null
  /** `file`, and as `rows` the numbers of its rows that change. */
  changedRows(files: readonly LocalFile[]): string
  /** The change feed (PROTOCOL.md, "Add CDC File"): the table's columns and `_change_type`. */
  changes(files: readonly LocalFile[]): string
  /** The partition columns of all rows that the other queries give, at least once each; only asked for where there are any. */
  partitions(files: readonly LocalFile[]): string
}

/**
 * Touched files are written together, and added rows with them, as long as a new file comes from no more than this: small
 * files grow together, and yet a change of a few rows never costs the writing of much more.
 */
const rewriteBytes = 32n * 2n ** 20n

/** Sorts candidates by what becomes of them; those without a row that changes are left out. */
export function touchedFiles(
  { mostShare, leastBytes }: Marking,
  snapshot: Snapshot | null,
  candidates: readonly Candidate[],
  /** How many rows of a file change, by its local path. */
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

export interface WriteChangesOptions {
  readonly target: WriteTarget
  readonly connection: Connection
  /** Existing local folder. */
  readonly stagingDir: string
  readonly signal: AbortSignal
  readonly columns: readonly Column[]
  readonly partitionColumns: readonly string[]
  readonly changes: RowChanges
  readonly touched: Touched
  /** About what rows that no rewritten file is home to take at most. */
  readonly homelessBytes: bigint
  /** Files that the change feed tells of; null: it is not kept. */
  readonly fed: readonly Candidate[] | null
}

/** What was published. */
export interface WrittenChanges {
  readonly written: readonly AddFile[]
  /** Files that stay, each with its new deletion vector. */
  readonly marked: readonly AddFile[]
  readonly cdc: readonly Action[]
}

/** Publishes the files, deletion vectors and change feed of rows that change. The removal of touched files is the caller's. */
export async function writeChanges(options: WriteChangesOptions): Promise<WrittenChanges> {
  const { target, connection, touched, changes, fed } = options
  const all = [...touched.rewritten, ...touched.marked]
  const parts = await openParts({
    connection,
    dir: options.stagingDir,
    nextName: () => target.ids.uuid(),
    columns: options.columns,
    partitionColumns: options.partitionColumns,
    values: options.partitionColumns.length === 0 ? '' : changes.partitions((fed ?? all).map(fileOf)),
    name: `table ${target.table.path}`,
  })
  const written = await writeRewritten(options, parts)
  const marked = touched.marked.length > 0 ? await markRows(options, touched.marked) : []
  const cdc: Action[] = []
  if (fed !== null && fed.length > 0)
    for (const file of await parts.write(changes.changes(fed.map(fileOf)), [...options.columns, changeTypeColumn]))
      cdc.push({ cdc: await publishChangeFile(target, file) })
  return { written, marked, cdc }
}

/** What one query gives is made durable while the next one runs. */
async function writeRewritten(options: WriteChangesOptions, parts: Parts): Promise<AddFile[]> {
  const { target } = options
  const written: AddFile[] = []
  const publish = async (files: readonly PartedFile[]): Promise<void> => {
    for (const file of files) written.push(await publishDataFile(target, file))
  }
  let publishing = Promise.resolve()
  try {
    for (const query of queriesOf(options)) {
      checkAbandoned(options.signal, target.table.path)
      const files = await parts.write(query, options.columns)
      await publishing
      publishing = publish(files)
      publishing.catch(() => {}) // told when it is waited for
    }
  } finally {
    await Promise.allSettled([publishing]) // nothing is on its way any more when the failed write is cleaned up
  }
  await publishing
  return written
}

function fileOf({ file }: Candidate): LocalFile {
  return file
}

/**
 * Rewritten files become new ones; what is added, and what becomes of marked rows, goes to the last of them while that is
 * small, else to one of its own. Where there are partitions, each query gives one file for each.
 */
function queriesOf({ changes, touched, homelessBytes }: WriteChangesOptions): string[] {
  const groups = groupBySize(touched.rewritten)
  const queries = groups.map(({ candidates }) => changes.rewritten(candidates.map(fileOf)))
  const replaced = touched.marked.length > 0 ? changes.replaced(touched.marked.map(fileOf)) : null
  const homeless = [changes.added, replaced].filter((query) => query !== null)
  if (homeless.length > 0) {
    const last = groups.at(-1)
    const room = last !== undefined && last.sizeBytes + homelessBytes <= rewriteBytes
    const parts = room ? [queries.pop()!, ...homeless] : homeless
    queries.push(parts.map((part) => `(${part})`).join(' UNION ALL '))
  }
  return queries
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

/** The same files with the rows that change, and those that were deleted before, in deletion vectors. */
async function markRows(
  { target, connection, changes }: WriteChangesOptions,
  marked: readonly Candidate[],
): Promise<AddFile[]> {
  const rows = await connection.rows(changes.changedRows(marked.map(fileOf)))
  const changed = new Map(rows.map((row) => [String(row.file), row.rows as readonly bigint[]]))
  const vectors = vectorFile(target.ids.uuid())
  const adds = marked.map(({ add, file }): AddFile => {
    const deleted = new Set([...(file.deleted ?? []), ...changed.get(file.path)!.map(Number)])
    const deletionVector = vectors.add([...deleted].sort((a, b) => a - b))
    return { ...add, dataChange: true, stats: looseStatistics(add.stats!), deletionVector }
  })
  await publishVectorFile(target, vectors)
  return adds
}
