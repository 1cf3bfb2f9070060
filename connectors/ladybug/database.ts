/** One open database per path and process, shared by all that use it there; one write transaction at a time. */
import { existsSync, statfsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { MillraceError, messageOf } from '../../engine/errors.ts'
import { makeFolderNow } from '../../engine/make-folder.ts'
import {
  loadNative,
  type Native,
  type NativeConnection,
  type NativeDatabase,
  type NativeParameter,
  type NativeResult,
} from './native.ts'

/** Columns of a result by name. */
export type GraphRow = Readonly<Record<string, unknown>>
/** Values never become part of the text: they are parameters, 64-bit numbers as text. */
export type GraphParameters = Readonly<Record<string, NativeParameter>>

/** Runs one statement to its end. */
export type RunCypher = (cypher: string, parameters?: GraphParameters) => Promise<GraphRow[]>

/** An open graph. One process at a time may write it. */
export interface GraphDatabase {
  readonly path: string
  /** A statement on its own, beside a transaction that is open; it sees what is committed. */
  readonly run: RunCypher
  /** The same, refused if the statement would change anything. */
  readonly read: RunCypher
  /**
   * Once all earlier callers are done: runs `prepare`, each statement of which stands alone (tables are made here), then
   * `work` in a transaction, which is committed if `work` resolves, and rolled back if it throws or calls `rollback`.
   */
  transaction<P, T>(
    prepare: (run: RunCypher) => Promise<P>,
    work: (transaction: GraphTransaction, prepared: P) => Promise<T>,
  ): Promise<T>
  /** Gives up this handle; the last one closes the database. */
  close(): Promise<void>
}

/** The statements of one transaction, in turn. */
export interface GraphTransaction {
  readonly run: RunCypher
  /** Undoes everything; nothing may be run afterwards. */
  rollback(): Promise<void>
}

export interface GraphDatabaseOptions {
  readonly path: string
  /** `read` opens beside a writer of another process; `write` is refused beside one. */
  readonly mode: 'read' | 'write'
  /** Default 512 MiB. */
  readonly bufferPoolBytes?: number
  /** Room that the disk must have before anything is written. Default 64 MiB. */
  readonly reserveBytes?: number
}

interface Shared {
  readonly native: Native
  readonly database: NativeDatabase
  readonly mode: 'read' | 'write'
  /** Throws where there is no room to write safely. */
  readonly assertRoom: () => void
  users: number
  closed: boolean
  turn: Promise<unknown>
}

const open = new Map<string, Promise<Shared>>()

const threads = 2
const maxSizeBytes = 2 ** 38 // of address space; the default of 8 TiB is more than some machines allow

/**
 * Opens the database, or shares the one that this process has open. Errors: `STORE_BUSY` (retryable) while another
 * process writes, `TABLE_NOT_FOUND` when there is nothing to read, `STORAGE_FAILED` otherwise; writing is refused,
 * retryable, while the disk is nearly full.
 */
export async function openGraphDatabase(options: GraphDatabaseOptions): Promise<GraphDatabase> {
  const path = resolve(options.path)
  const shared = await share(path, options)
  const connections = lazyConnection(shared)
  let closed = false
  return {
    path,
    run: (cypher, parameters) => connections.get().then((connection) => execute(connection, cypher, parameters)),
    read: (cypher, parameters = {}) =>
      connections.get().then((connection) => execute(connection, cypher, parameters, 'read')),
    transaction: (prepare, work) => inTurn(shared, () => transact(shared, prepare, work)),
    async close() {
      if (closed) return
      closed = true
      await connections.close()
      await release(path, shared)
    },
  }
}

async function share(path: string, options: GraphDatabaseOptions): Promise<Shared> {
  const known = open.get(path)
  if (known !== undefined) {
    const shared = await known
    if (shared.closed) return share(path, options)
    if (options.mode === 'write' && shared.mode === 'read') throw busy(path, 'this process has it open for reading')
    shared.users += 1
    return shared
  }
  const opening = openShared(path, options)
  open.set(path, opening)
  opening.catch(() => open.delete(path))
  return opening
}

async function openShared(path: string, options: GraphDatabaseOptions): Promise<Shared> {
  const { mode, bufferPoolBytes = 2 ** 29, reserveBytes = 2 ** 26 } = options
  const assertRoom = (): void => checkRoom(path, reserveBytes)
  if (mode === 'write') {
    makeFolderNow(dirname(path))
    assertRoom()
  }
  if (mode === 'read' && !existsSync(path))
    throw new MillraceError('TABLE_NOT_FOUND', `graph store not found: ${path} (run a pipeline that fills it first)`)
  const native = await loadNative()
  const database = new native.Database(path, bufferPoolBytes, true, mode === 'read', maxSizeBytes)
  try {
    await database.init()
  } catch (cause) {
    if (/could not set lock/i.test(messageOf(cause))) throw busy(path, 'another process has it open', cause)
    throw new MillraceError(
      'STORAGE_FAILED',
      `graph store ${path} could not be opened: ${messageOf(cause)} (if it is damaged, delete it and run its pipelines: they fill it anew)`,
      {
        context: { path },
        cause,
      },
    )
  }
  return { native, database, mode, assertRoom, users: 1, closed: false, turn: Promise.resolve() }
}

/**
 * A disk that fills up while the engine folds its write-ahead log into the file can cost what was committed, or the
 * file: so neither is begun without room to spare.
 */
function checkRoom(path: string, reserveBytes: number): void {
  const { bavail, bsize } = statfsSync(dirname(path))
  if (bavail * bsize >= reserveBytes) return
  const mib = (bytes: number): string => `${Math.floor(bytes / 2 ** 20)} MiB`
  throw new MillraceError(
    'STORAGE_FAILED',
    `graph store ${path} is not written: the disk is nearly full, with ${mib(bavail * bsize)} left (free some space, ${mib(reserveBytes)} at least)`,
    { retryable: true, context: { path } },
  )
}

function busy(path: string, why: string, cause?: unknown): MillraceError {
  return new MillraceError('STORE_BUSY', `graph store ${path} is busy: ${why} (try again when it is done)`, {
    retryable: true,
    context: { path },
    cause,
  })
}

async function release(path: string, shared: Shared): Promise<void> {
  shared.users -= 1
  if (shared.users > 0) return
  await shared.turn
  if (shared.users > 0 || shared.closed) return // opened again while we waited
  shared.closed = true
  open.delete(path)
  await shared.database.close()
}

function lazyConnection({ native, database }: Shared) {
  let connection: NativeConnection | null = null
  return {
    async get() {
      connection ??= new native.Connection(database, threads)
      return connection
    },
    async close() {
      await connection?.close()
    },
  }
}

function inTurn<T>(shared: Shared, work: () => Promise<T>): Promise<T> {
  const turn = shared.turn.then(work)
  shared.turn = turn.catch(() => {}) // its own caller hears of it
  return turn
}

async function transact<P, T>(
  shared: Shared,
  prepare: (run: RunCypher) => Promise<P>,
  work: (transaction: GraphTransaction, prepared: P) => Promise<T>,
): Promise<T> {
  shared.assertRoom()
  const connection = new shared.native.Connection(shared.database, threads)
  const run: RunCypher = (cypher, parameters) => execute(connection, cypher, parameters)
  let active = false
  const rollback = async (): Promise<void> => {
    active = false
    await run('ROLLBACK').catch(() => {}) // an error has ended the transaction before
  }
  try {
    const prepared = await prepare(run)
    await run('BEGIN TRANSACTION')
    active = true
    const result = await work({ run, rollback }, prepared)
    if (active) await run('COMMIT')
    return result
  } catch (error) {
    if (active) await rollback()
    throw error
  } finally {
    await connection.close()
  }
}

/** Every result is closed: one left open keeps the database open after its `close`, and commits were lost that way. */
async function execute(
  connection: NativeConnection,
  cypher: string,
  parameters?: GraphParameters,
  mode: 'read' | 'write' = 'write',
): Promise<GraphRow[]> {
  try {
    const results = [await start(connection, cypher, parameters, mode)].flat()
    try {
      return exactRows(results.at(-1)!)
    } finally {
      for (const result of results) result.close()
    }
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause
    throw new MillraceError('SINK_FAILED', `graph statement failed: ${messageOf(cause)}; it was: ${cypher}`, { cause })
  }
}

async function start(
  connection: NativeConnection,
  cypher: string,
  parameters: GraphParameters | undefined,
  mode: 'read' | 'write',
): Promise<NativeResult | NativeResult[]> {
  if (parameters === undefined) return connection.query(cypher)
  const statement = await connection.prepare(cypher)
  if (!statement.isSuccess()) throw new Error(statement.getErrorMessage())
  if (mode === 'read' && !statement.isReadOnly()) throw new Error('it would change the graph (queries only read)')
  return connection.execute(statement, { ...parameters })
}

function exactRows(result: NativeResult): GraphRow[] {
  const names = result.getColumnNamesSync()
  const types = new Map(result.getColumnDataTypesSync().map((type, i) => [names[i]!, type]))
  const rows = result.getAllSync()
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, exact(name, types.get(name) ?? '', value)])),
  )
}

/** The client gives INT64 as a double: it is exact up to 2^53, and beyond that refused. */
function exact(name: string, type: string, value: unknown): unknown {
  if (/DOUBLE|FLOAT/.test(type)) return value
  if (isLossy(value)) throw lossy(name)
  return /^U?INT\d+$|^SERIAL$/.test(type) && typeof value === 'number' ? BigInt(value) : value
}

function isLossy(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value)
  if (Array.isArray(value)) return value.some(isLossy)
  return value !== null && typeof value === 'object' && Object.values(value).some(isLossy)
}

function lossy(name: string): MillraceError {
  return new MillraceError(
    'SINK_FAILED',
    `graph query: column ${name} holds a number beyond 2^53, which would not be exact (return CAST(... AS STRING))`,
    { context: { column: name } },
  )
}
