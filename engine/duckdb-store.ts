/** A DuckDB file that is attached to the process's database only while it is used, so that others get their turn. */
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { systemClock } from './clock.ts'
import type { Clock } from './contracts.ts'
import { saysDiskFull } from './disk-full.ts'
import { type Connection, type Duckdb, identifier, literal } from './duckdb.ts'
import { MillraceError, messageOf } from './errors.ts'
import { makeFolderNow } from './make-folder.ts'

/** Where the file is, and what it is attached to. */
export interface DuckdbStoreOptions {
  readonly path: string
  /** Asked for at first use only. */
  readonly duckdb: () => Promise<Duckdb>
  /** How long to wait for another process that holds the file before `STORE_BUSY`. Default 2,000. */
  readonly busyTimeoutMs?: number
  readonly clock?: Clock
}

/** One file that processes take turns at. */
export interface DuckdbStore {
  readonly path: string
  /** False until the first write has made the file. */
  exists(): boolean
  /**
   * Runs `work` on a connection whose unqualified names are the store's. One caller at a time per file and process; the
   * file is created by the first `write`. A transaction that `work` leaves open is rolled back. Errors: `STORE_BUSY`
   * (retryable) while another process holds the file, or a transaction of this one for a minute, `STORAGE_FAILED` if it cannot be opened or
   * closed (retryable where the disk is full; what `work` committed is kept).
   */
  use<T>(mode: 'read' | 'write', work: (connection: Connection) => Promise<T>): Promise<T>
}

/** What callers of one file wait for, by absolute path. */
const turns = new Map<string, Promise<unknown>>()

/** A store in the file at `path`; opens nothing yet. */
export function duckdbStore(options: DuckdbStoreOptions): DuckdbStore {
  const path = resolve(options.path)
  return {
    path,
    exists: () => existsSync(path),
    use(mode, work) {
      return inTurn(path, async () => {
        const duckdb = await options.duckdb()
        return duckdb.withConnection((connection) => attached(connection, path, mode, options, work))
      })
    },
  }
}

function inTurn<T>(path: string, work: () => Promise<T>): Promise<T> {
  const turn = (turns.get(path) ?? Promise.resolve()).then(work, work)
  const settled = turn.catch(() => {}) // its own caller hears of it
  turns.set(path, settled)
  void settled.then(() => turns.get(path) === settled && turns.delete(path))
  return turn
}

const ALIAS = 'millrace_store'

async function attached<T>(
  connection: Connection,
  path: string,
  mode: 'read' | 'write',
  options: DuckdbStoreOptions,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  if (mode === 'write') makeFolderNow(dirname(path))
  const alias = identifier(`${ALIAS}:${path}`)
  await attach(connection, path, `ATTACH ${literal(path)} AS ${alias}${mode === 'read' ? ' (READ_ONLY)' : ''}`, options)
  let result: T
  try {
    await connection.run(`USE ${alias}`)
    result = await work(connection)
  } catch (error) {
    await detach(connection, alias).catch(() => {}) // why the work failed says more
    throw error
  }
  await detach(connection, alias).catch((error: unknown) => {
    throw storageFailed(path, 'could not be closed', error)
  })
  return result
}

/** Writes what was committed into the file itself. If that fails it is still safe beside it, in the write-ahead log. */
async function detach(connection: Connection, alias: string): Promise<void> {
  await rollback(connection)
  await connection.run('USE memory')
  await connection.run(`DETACH ${alias}`)
}

async function attach(connection: Connection, path: string, sql: string, options: DuckdbStoreOptions): Promise<void> {
  const clock = options.clock ?? systemClock
  const startedMs = clock.nowMs()
  for (let waitMs = 10; ; waitMs = Math.min(waitMs * 2, 200)) {
    try {
      return await connection.run(sql)
    } catch (error) {
      const holder = holderOf(error)
      if (holder === null) throw storageFailed(path, 'could not be opened', error)
      const timeoutMs = holder === 'this process' ? ownTimeoutMs : (options.busyTimeoutMs ?? 2_000)
      if (clock.nowMs() + waitMs > startedMs + timeoutMs) throw busy(path, holder, error)
      await clock.sleep(waitMs)
    }
  }
}

/**
 * A detached file stays open until the last transaction that has seen it ends, and a transaction of any connection sees
 * all attached files when it asks for tables. Such ones are ours and end by themselves.
 */
const ownTimeoutMs = 60_000

/** Who holds the file, where that is why it could not be attached. */
function holderOf(error: unknown): string | null {
  const message = messageOf(error)
  if (/unique file handle conflict/i.test(message)) return 'this process'
  if (!/could not set lock|conflicting lock/i.test(message)) return null
  const pid = /PID (\d+)/i.exec(message)?.[1]
  return pid === undefined ? 'another process' : `process ${pid}`
}

function busy(path: string, holder: string, cause: unknown): MillraceError {
  return new MillraceError('STORE_BUSY', `store ${path} is held by ${holder} (try again when it is done)`, {
    retryable: true,
    context: { path, holder },
    cause,
  })
}

function storageFailed(path: string, what: string, cause: unknown): MillraceError {
  const retryable = saysDiskFull(cause)
  const advice = retryable ? ' (free some space)' : ''
  return new MillraceError('STORAGE_FAILED', `store ${path} ${what}: ${messageOf(cause)}${advice}`, {
    context: { path },
    retryable,
    cause,
  })
}

/** Fails when no transaction is open, which is the usual case. */
async function rollback(connection: Connection): Promise<void> {
  await connection.run('ROLLBACK').catch(() => {})
}
