/** What is wrong with a table, or could be better: its log, its files, and what its readers pay. Changes nothing. */
import type { Clock, ObjectStore } from '../../engine/contracts.ts'
import type { Duckdb } from '../../engine/duckdb.ts'
import { MillraceError, messageOf } from '../../engine/errors.ts'
import type { AddFile } from './actions.ts'
import { dataLocation } from './data-location.ts'
import { examineFile } from './file-examination.ts'
import { pathsOf } from './file-keys.ts'
import { lintTable } from './lint/lint.ts'
import { formatFinding } from './lint/lint-lake.ts'
import { listLog } from './log-listing.ts'
import { readersOf } from './readers.ts'
import { txnRetentionMs } from './retention.ts'
import { rowsOf } from './statistics.ts'
import type { DeltaTable, Snapshot } from './table.ts'

export interface DoctorOptions {
  readonly table: DeltaTable
  readonly store: ObjectStore
  readonly duckdb: () => Promise<Duckdb>
  readonly clock: Clock
  /** Opens every file and holds its rows against what the log says of them. */
  readonly deep: boolean
}

/** `error`: rows are lost or wrong. `warning`: readers may be led astray, or will be. `advice`: it could cost less. */
export type Severity = 'error' | 'warning' | 'advice'

/** One thing that was found. */
export interface Diagnosis {
  readonly severity: Severity
  readonly what: string
  /** What to do about it. */
  readonly advice: string
}

/** Of a table with fewer, nobody will notice. */
const manySmallFiles = 50
const smallBytes = 8n * 2n ** 20n
/** Entries that a reader has to read one by one after the newest checkpoint. */
const longTail = 200n

/** Worst first; nothing for a table in good health. `TABLE_NOT_FOUND`, and what the store throws. */
export async function examineTable(options: DoctorOptions): Promise<Diagnosis[]> {
  const { table, store, duckdb } = options
  const found: Diagnosis[] = []
  for (const finding of await lintTable({ store, table: table.path, duckdb }))
    found.push({
      severity: finding.severity,
      what: formatFinding(finding).replace(/^\w+: /, ''),
      advice: 'fix the writer; restore the file from a copy',
    })
  const snapshot = await readable(table, found)
  if (snapshot !== null) {
    const files = [...(await snapshot.files()).values()]
    found.push(...(await missingFiles(store, table.path, files)))
    if (options.deep) for (const file of files) found.push(...(await examine(options, snapshot, file)))
    found.push(...crowded(files), ...full(files), ...uncounted(files))
    found.push(...(await behind(store, snapshot, table.path)), ...expiring(snapshot, options.clock.nowMs()))
    found.push(...(await tail(store, snapshot, table.path)))
  }
  const order: readonly Severity[] = ['error', 'warning', 'advice']
  return found.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity))
}

async function readable(table: DeltaTable, found: Diagnosis[]): Promise<Snapshot | null> {
  try {
    const snapshot = await table.snapshot()
    if (snapshot === null) throw new MillraceError('TABLE_NOT_FOUND', `table ${table.path} does not exist`)
    await snapshot.files()
    return snapshot
  } catch (error) {
    if (!(error instanceof MillraceError) || !error.code.startsWith('TABLE_')) throw error
    if (error.code === 'TABLE_NOT_FOUND') throw error
    found.push({ severity: 'error', what: messageOf(error), advice: 'nothing can be read until this is repaired' })
    return null
  }
}

/** Files that the newest version needs, and their sizes, against what is stored. */
async function missingFiles(store: ObjectStore, path: string, files: readonly AddFile[]): Promise<Diagnosis[]> {
  const stored = new Map<string, number>()
  for await (const { key, sizeBytes } of store.list(`${path}/`)) stored.set(key, sizeBytes)
  return files.flatMap((file): Diagnosis[] => {
    const gone = pathsOf(file).filter((each) => {
      const location = dataLocation(store, path, each)
      return 'key' in location && !stored.has(location.key)
    })
    const lost = gone.map((each) => damage(`file is missing: ${each}`))
    const location = dataLocation(store, path, file.path)
    const sizeBytes = 'key' in location ? stored.get(location.key) : undefined
    if (sizeBytes === undefined || BigInt(sizeBytes) === file.size) return lost
    return [...lost, damage(`file has ${sizeBytes} bytes where the log says ${file.size}: ${file.path}`)]
  })
}

function damage(what: string): Diagnosis {
  return { severity: 'error', what, advice: 'restore the file from a copy, or the table to an earlier version' }
}

async function examine(options: DoctorOptions, snapshot: Snapshot, file: AddFile): Promise<Diagnosis[]> {
  try {
    const wrong = await examineFile(options, snapshot, file)
    return wrong.map((what) => ({
      severity: 'error',
      what: `${file.path}: ${what}`,
      advice: 'readers pass over rows: write the file anew (tables optimize), and fix its writer',
    }))
  } catch (error) {
    return [damage(`${file.path}: ${messageOf(error)}`)]
  }
}

function crowded(files: readonly AddFile[]): Diagnosis[] {
  const small = files.filter(({ size }) => size < smallBytes)
  if (small.length < manySmallFiles) return []
  const what = `${small.length} of ${files.length} files are smaller than ${smallBytes / 2n ** 20n} MiB`
  return [{ severity: 'advice', what, advice: 'write them together: tables optimize' }]
}

function full(files: readonly AddFile[]): Diagnosis[] {
  let [rows, deleted] = [0n, 0n]
  for (const file of files) {
    rows += rowsOf(file) ?? 0n
    deleted += file.deletionVector?.cardinality ?? 0n
  }
  if (deleted * 20n <= rows + deleted) return []
  const what = `${(deleted * 100n) / (rows + deleted)} % of the rows in files are deleted, and read all the same`
  return [{ severity: 'advice', what, advice: 'write those files anew: tables optimize' }]
}

function uncounted(files: readonly AddFile[]): Diagnosis[] {
  const without = files.filter((file) => rowsOf(file) === null)
  if (without.length === 0) return []
  const what = `${without.length} files have no statistics: every reader opens them`
  return [{ severity: 'advice', what, advice: 'write them anew with a writer that leaves some: tables optimize' }]
}

async function behind(store: ObjectStore, { version }: Snapshot, path: string): Promise<Diagnosis[]> {
  const readers = await readersOf(store, path)
  return readers
    .filter((reader) => version + 1n - reader.version > longTail)
    .map((reader) => ({
      severity: 'advice',
      what: `pipeline ${reader.pipeline} is ${version + 1n - reader.version} versions behind, and the log is kept for it`,
      advice: `run it, or give it up: tables vacuum --forget-reader ${reader.pipeline}`,
    }))
}

/** Positions that another writer's checkpoint may drop. */
function expiring({ metaData, txns }: Snapshot, nowMs: number): Diagnosis[] {
  const retention = txnRetentionMs(metaData)
  if (retention === null) return []
  return [...txns.values()]
    .filter(({ lastUpdated }) => lastUpdated === undefined || BigInt(Math.floor(nowMs)) - lastUpdated > retention)
    .map(({ appId }) => ({
      severity: 'warning',
      what: `position ${appId} is older than delta.setTransactionRetentionDuration: other engines may drop it`,
      advice: 'run the pipeline, or unset the property: what it has read would be read again',
    }))
}

async function tail(store: ObjectStore, { version }: Snapshot, path: string): Promise<Diagnosis[]> {
  const { checkpoints } = await listLog({ store, table: path, from: 0n })
  const newest = checkpoints.findLast((checkpoint) => checkpoint.version <= version)?.version ?? -1n
  if (version - newest <= longTail) return []
  const what = `${version - newest} entries follow the newest checkpoint: readers read them one by one`
  return [{ severity: 'advice', what, advice: 'commit to it with Millrace, which makes up for it' }]
}
