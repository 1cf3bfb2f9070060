/** A DuckDB file that is attached to the process's database only while it is used, so that others get their turn. */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { systemClock } from './clock.ts'
import type { Clock } from './contracts.ts'
import { type Connection, type Duckdb, identifier, literal } from './duckdb.ts'
import { MillraceError, messageOf } from './errors.ts'

export interface DuckdbStoreOptions {
  readonly path: string
  /** Asked for at first use only. */
  readonly duckdb: () => Promise<Duckdb>
  /** How long to wait for another process that holds the file before `STORE_BUSY`. Default 2,000. */
  readonly busyTimeoutMs?: number
  readonly clock?: Clock
}

export interface DuckdbStore {
  readonly path: string
  /** False until the first write has made the file. */
  exists(): boolean
  /**
   * Runs `work` on a connection whose unqualified names are the store's. One caller at a time per file and process; the
   * file is created by the first `write`. A transaction that `work` leaves open is rolled back. Errors: `STORE_BUSY`
   * (retryable) while another process holds the file, `STORAGE_FAILED` if it cannot be opened.
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
  if (mode === 'write') mkdirSync(dirname(path), { recursive: true })
  const alias = identifier(`${ALIAS}:${path}`)
  await attach(connection, path, `ATTACH ${literal(path)} AS ${alias}${mode === 'read' ? ' (READ_ONLY)' : ''}`, options)
  try {
    await connection.run(`USE ${alias}`)
    return await work(connection)
  } finally {
    await rollback(connection)
    await connection.run('USE memory')
    await connection.run(`DETACH ${alias}`)
  }
}

async function attach(connection: Connection, path: string, sql: string, options: DuckdbStoreOptions): Promise<void> {
  const clock = options.clock ?? systemClock
  const deadline = clock.nowMs() + (options.busyTimeoutMs ?? 2_000)
  for (let waitMs = 10; ; waitMs = Math.min(waitMs * 2, 200)) {
    try {
      return await connection.run(sql)
    } catch (error) {
      if (!isLocked(error)) throw openFailed(path, error)
      if (clock.nowMs() + waitMs > deadline) throw busy(path, error)
      await clock.sleep(waitMs)
    }
  }
}

function isLocked(error: unknown): boolean {
  return /could not set lock|conflicting lock/i.test(messageOf(error))
}

function busy(path: string, cause: unknown): MillraceError {
  const pid = /PID (\d+)/i.exec(messageOf(cause))?.[1]
  const holder = pid === undefined ? 'another process' : `process ${pid}`
  return new MillraceError('STORE_BUSY', `store ${path} is held by ${holder} (try again when it is done)`, {
    retryable: true,
    context: { path, pid },
    cause,
  })
}

function openFailed(path: string, cause: unknown): MillraceError {
  return new MillraceError('STORAGE_FAILED', `store ${path} could not be opened: ${messageOf(cause)}`, {
    context: { path },
    cause,
  })
}

/** Fails when no transaction is open, which is the usual case. */
async function rollback(connection: Connection): Promise<void> {
  await connection.run('ROLLBACK').catch(() => {})
}
