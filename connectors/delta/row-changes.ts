/**
 * Deleting and updating rows of a table by a condition, outside of any pipeline. Only files that may hold such rows are opened;
 * deleted rows of which a file, or a partition, holds nothing else take the file with them, unread.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { closestFirst } from '../../engine/closest.ts'
import type { Connection, Duckdb } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Column } from '../../engine/schema.ts'
import type { AddFile } from './actions.ts'
import { assertRowsHavePlaces } from './column-names.ts'
import { commitPublished } from './commit-published.ts'
import { assigned } from './constraints/assign.ts'
import { constraintsOf } from './constraints/constraints.ts'
import { enforce } from './constraints/enforce.ts'
import { UnknownName, Untranslatable } from './constraints/tokens.ts'
import { translate } from './constraints/translate.ts'
import { type Outcomes, outcomesOf } from './file-outcomes.ts'
import { assertAppendOnly, assertWritable } from './protocol.ts'
import { localDataFile } from './read.ts'
import { countRows, type RowChange, rowChanges, updatedRows } from './row-changes-sql.ts'
import { rowsOf } from './statistics.ts'
import type { Snapshot } from './table.ts'
import {
  checkAbandoned,
  dropPublished,
  keepsChangeFeed,
  onTable,
  publishing,
  removalOf,
  type WritePlace,
  type WriteTarget,
  writeTarget,
} from './table-write.ts'
import {
  type Candidate,
  defaultMarking,
  type Marking,
  type Touched,
  touchedFiles,
  writeChanges,
} from './touched-files.ts'

export interface DeleteRowsOptions {
  readonly target: WritePlace
  readonly duckdb: () => Promise<Duckdb>
  /** Existing local folder, on the lake's own filesystem when that is local. */
  readonly stagingDir: string
  /** Condition in Spark SQL; rows of which it is null are left alone. */
  readonly where: string
  readonly marking?: Marking
  /** Only looks which rows and files would change. */
  readonly dryRun?: boolean
  readonly signal: AbortSignal
}

export interface UpdateRowsOptions extends DeleteRowsOptions {
  /** New values by column, in Spark SQL over the columns of the row as it was. */
  readonly set: Readonly<Record<string, string>>
}

/** What changed, or would. */
export interface RowsChanged {
  /** The new version; the newest one if nothing had to be changed, or was to be. */
  readonly version: bigint
  readonly rows: bigint
  /** Files that held nothing else than deleted rows. */
  readonly filesRemoved: number
  readonly filesRewritten: number
  /** Files that stay, with a deletion vector. */
  readonly filesMarked: number
}

/** Tries after other writers were in the way. */
const tries = 5

/**
 * Deletes the rows of which a condition is true, in one version; older versions keep them until they are vacuumed. Positions of
 * pipelines stay what they are. Readers of the change feed see each row deleted. `TABLE_NOT_FOUND`; `CONFIG_INVALID`, with all
 * problems, for a condition that cannot be judged; `TABLE_UNSUPPORTED`, also for a table that is append-only; `TABLE_CONFLICT`
 * where other writers were faster each time.
 */
export function deleteRows(options: DeleteRowsOptions): Promise<RowsChanged> {
  return changeRows({ ...options, set: null })
}

/**
 * Gives columns of the rows of which a condition is true other values, in one version. A row whose partition columns change
 * moves. Readers of the change feed see each row before and after. Errors as those of {@link deleteRows}, and
 * `CONSTRAINT_VIOLATED` if a row would break a rule of the table.
 */
export function updateRows(options: UpdateRowsOptions): Promise<RowsChanged> {
  return changeRows(options)
}

interface Options extends DeleteRowsOptions {
  readonly set: UpdateRowsOptions['set'] | null
}

async function changeRows(options: Options): Promise<RowsChanged> {
  const { table } = options.target
  let reason = ''
  for (let attempt = 1; attempt <= tries; attempt += 1) {
    const snapshot = await table.snapshot()
    if (snapshot === null) throw new MillraceError('TABLE_NOT_FOUND', `table ${table.path} does not exist`)
    const result = await tryChange(options, snapshot)
    if ('version' in result) return result
    reason = result.conflict
  }
  throw new MillraceError(
    'TABLE_CONFLICT',
    `table ${table.path}: other writers were faster ${tries} times: ${reason} (do it again, or stop them)`,
    { retryable: true },
  )
}

/** One try on one version of the table. */
interface Try extends Options {
  readonly target: WriteTarget
  readonly snapshot: Snapshot
  readonly connection: Connection
  readonly change: RowChange
}

/** The files of one version by what is known of their rows. */
interface Found {
  /** Files that go, and the rows that go with them. */
  readonly removed: readonly { readonly add: AddFile; readonly rows: number }[]
  readonly touched: Touched
  /** Rows that change in touched files. */
  readonly changed: number
}

type Tried = RowsChanged | { readonly conflict: string }

async function tryChange(options: Options, snapshot: Snapshot): Promise<Tried> {
  const { table } = options.target
  const target = writeTarget(options.target)
  const { protocol, metaData } = snapshot
  assertWritable(table.path, protocol, metaData)
  const change = changeOf(options, snapshot)
  const judge = outcomesOf({ expression: options.where, columns: snapshot.columns })
  const stagingDir = await mkdtemp(join(options.stagingDir, 'rows-'))
  try {
    return await (await options.duckdb()).withConnection(async (bare) => {
      const connection = onTable(bare, table.path)
      const one: Try = { ...options, target, stagingDir, snapshot, connection, change }
      const found = await findRows(one, judge)
      const result = resultOf(snapshot, found)
      if (result.rows === 0n || options.dryRun === true) return result
      return await commitRows(one, found, judge)
    })
  } finally {
    await rm(stagingDir, { recursive: true, force: true })
  }
}

function resultOf({ version }: Snapshot, { removed, touched, changed }: Found): RowsChanged {
  return {
    version,
    rows: BigInt(changed + removed.reduce((sum, { rows }) => sum + rows, 0)),
    filesRemoved: removed.length,
    filesRewritten: touched.rewritten.length,
    filesMarked: touched.marked.length,
  }
}

function changeOf({ where, set, target }: Options, { columns, metaData }: Snapshot): RowChange {
  const { path } = target.table
  assertRowsHavePlaces(path, columns)
  const problems: string[] = []
  const judged = <T>(what: string, translated: () => T, otherwise: T): T => {
    try {
      return translated()
    } catch (error) {
      if (!(error instanceof Untranslatable)) throw error
      problems.push(
        error instanceof UnknownName
          ? `${what}: there is no column ${error.path} (the columns are ${listed(columns, error.path)})`
          : `${what}: ${error.message} is not supported (write it in other words)`,
      )
      return otherwise
    }
  }
  const condition = judged(`where: ${where}`, () => translate(where, columns).sql, 'false')
  const values = new Map<string, string>()
  for (const [name, expression] of Object.entries(set ?? {})) {
    const column = columns.find((each) => each.name.toLowerCase() === name.toLowerCase())
    if (column === undefined)
      problems.push(`set ${name}: there is no such column (the columns are ${listed(columns, name)})`)
    else if (values.has(column.name)) problems.push(`set ${name}: is named twice (name it once)`)
    else
      values.set(
        column.name,
        judged(`set ${name}: ${expression}`, () => assigned(expression, column, columns), 'NULL'),
      )
  }
  if (set !== null && Object.keys(set).length === 0) problems.push('set: names no column')
  if (problems.length > 0)
    throw new MillraceError('CONFIG_INVALID', `table ${path}: ${problems.join('; ')}`, {
      problems: problems.map((problem) => `table ${path}: ${problem}`),
    })
  return { columns, partitionColumns: metaData.partitionColumns, condition, set: set === null ? null : values }
}

/** The columns that there are, first those that were probably meant. */
function listed(columns: readonly Column[], wanted: string): string {
  const names = columns.map(({ name }) => name)
  return closestFirst(wanted, names).join(', ')
}

/** Looks for the rows that change, and whether they may. */
async function findRows(one: Try, judge: (file: AddFile) => Outcomes): Promise<Found> {
  const { target, snapshot, connection, change } = one
  const removed: Found['removed'][number][] = []
  const candidates: Candidate[] = []
  for (const add of (await snapshot.files()).values()) {
    const may = judge(add)
    if (!may.true) continue
    const rows = rowsOf(add)
    if (change.set === null && !may.false && !may.null && rows !== null) removed.push({ add, rows: Number(rows) })
    else candidates.push({ add, file: await localDataFile(target.store, target.table.path, add) })
  }
  const counted = candidates.length === 0 ? [] : await connection.rows(countRows(change, candidates.map(fileOf)))
  const changes = new Map(counted.map(({ file, changed }) => [String(file), Number(changed)]))
  for (const { add, file } of candidates) {
    const [rows, changed] = [rowsOf(add), changes.get(file.path)]
    if (change.set !== null || rows === null || changed !== Number(rows)) continue
    changes.delete(file.path)
    if (changed > 0) removed.push({ add, rows: changed })
  }
  const touched = touchedFiles(one.marking ?? defaultMarking, snapshot, candidates, changes)
  const goes = [...removed.map(({ add }) => add), ...[...touched.rewritten, ...touched.marked].map(({ add }) => add)]
  assertAppendOnly(
    target.table.path,
    snapshot.metaData,
    goes.map((add) => ({ remove: removalOf(add, 0) })),
  )
  if (change.set !== null && goes.length > 0)
    await enforce({
      connection,
      constraints: constraintsOf(snapshot.metaData).enforced,
      rows: updatedRows(change, candidates.map(fileOf)),
      key: [],
      table: target.table.path,
    })
  return { removed, touched, changed: [...changes.values()].reduce((sum, each) => sum + each, 0) }
}

function fileOf({ file }: Candidate): Candidate['file'] {
  return file
}

async function commitRows(one: Try, found: Found, judge: (file: AddFile) => Outcomes): Promise<Tried> {
  const { target, snapshot, change, where } = one
  const { removed, touched } = found
  const changed = [...touched.rewritten, ...touched.marked]
  const output = await publishing(target, async () => {
    checkAbandoned(one.signal, target.table.path)
    const written = await writeChanges({
      ...one,
      ...change,
      changes: rowChanges(change),
      touched,
      homelessBytes: changed.reduce((sum, { add }) => sum + add.size, 0n),
      fed: await fedFiles(one, found),
    })
    checkAbandoned(one.signal, target.table.path)
    return written
  })
  const adds = [...output.written, ...output.marked]
  const goes = [...removed, ...changed].map(({ add }) => add)
  const result = await commitPublished(target, {
    snapshot,
    actions: [
      ...goes.map((add) => ({ remove: removalOf(add, target.clock.nowMs()) })),
      ...adds.map((add) => ({ add })),
      ...output.cdc,
    ],
    reads: { kind: 'files', files: new Set(goes.map(({ path }) => path)), mayMatch: (file) => judge(file).true },
    ...(change.set === null
      ? { operation: 'DELETE', operationParameters: { predicate: JSON.stringify([where]) } }
      : { operation: 'UPDATE', operationParameters: { predicate: where } }),
    operationMetrics: metricsOf(found, change, output),
    txnId: target.ids.uuid(),
    admits: () => true, // the conflict rules say whether the rows are still those that were found
  })
  if (result.kind === 'committed' || result.kind === 'already-committed')
    return { ...resultOf(snapshot, found), version: result.version }
  await dropPublished(target)
  return { conflict: result.kind === 'conflict' ? result.reason : 'the commit was refused' }
}

/**
 * A version with files of the change feed tells all that changed in them (PROTOCOL.md, "Add CDC File"); where whole files go,
 * and nothing else, their removal tells it.
 */
async function fedFiles({ snapshot, target }: Try, { removed, touched }: Found): Promise<Candidate[] | null> {
  const changed = [...touched.rewritten, ...touched.marked]
  if (!keepsChangeFeed(snapshot, false) || changed.length === 0) return null
  const { store, table } = target
  const whole: Candidate[] = []
  for (const { add } of removed) whole.push({ add, file: await localDataFile(store, table.path, add) })
  return [...changed, ...whole]
}

function metricsOf(
  { removed, touched, changed }: Found,
  { set }: RowChange,
  { written, cdc }: { readonly written: readonly AddFile[]; readonly cdc: readonly unknown[] },
): Readonly<Record<string, string>> {
  const rows = changed + removed.reduce((sum, each) => sum + each.rows, 0)
  const writtenRows = written.reduce((sum, add) => sum + Number(rowsOf(add) ?? 0n), 0)
  const gone = [...removed, ...touched.rewritten].map(({ add }) => add)
  const sizeOf = (files: readonly AddFile[]) => String(files.reduce((sum, { size }) => sum + size, 0n))
  return {
    numRemovedFiles: String(gone.length),
    numAddedFiles: String(written.length),
    numRemovedBytes: sizeOf(gone),
    numAddedBytes: sizeOf(written),
    [set === null ? 'numDeletedRows' : 'numUpdatedRows']: String(rows),
    numCopiedRows: String(set === null ? writtenRows : writtenRows - rows),
    numAddedChangeFiles: String(cdc.length),
    numDeletionVectorsAdded: String(touched.marked.length),
    numDeletionVectorsRemoved: String(
      [...removed, ...touched.rewritten, ...touched.marked].filter(({ add }) => add.deletionVector !== undefined)
        .length,
    ),
    numDeletionVectorsUpdated: String(touched.marked.filter(({ add }) => add.deletionVector !== undefined).length),
  }
}
