/** A DuckDB file that any number of processes read and write at once. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { systemClock } from './clock.ts'
import type { Connection, Duckdb } from './duckdb.ts'
import { duckdbFiles } from './duckdb-file.ts'
import type { Mode } from './shared-file/contract.ts'
import { sharedFile } from './shared-file/shared-file.ts'
import { commandPatience, type Patience } from './shared-file/waiting.ts'

/** Where the file is, and what it is opened with. */
export interface DuckdbStoreOptions {
  readonly path: string
  /** Of which a database for the file is opened, if this process is the one that opens it. */
  readonly duckdb: () => Promise<Duckdb>
  /** How long to wait while a program of others has the file open. By default a minute. */
  readonly patience?: Partial<Patience>
  /** See `SharedFileOptions`. */
  readonly idleMs?: number
}

/** One file; the process that opens it serves the others. */
export interface DuckdbStore {
  readonly path: string
  /** False until the first write has made the file. */
  exists(): boolean
  /**
   * Runs `work` on a connection whose unqualified names are the store's, and which is closed afterwards. Readers see one state of the store
   * throughout, cannot write, and run beside each other and beside a writer; writers take turns, over all processes. The file is created by the
   * first `write`. A transaction that `work` leaves open is rolled back. A reader's `work` is run again if the process that has the file open
   * ends; a writer's fails, retryable, and only the store itself shows then whether it was committed. `signal` ends the wait and the statement
   * that runs, and its reason is thrown. Errors: `STORE_BUSY` (retryable) where waiting ends in vain, `STORAGE_FAILED` if the file cannot be
   * opened (retryable where the disk is full).
   */
  use<T>(mode: Mode, work: (connection: Connection) => Promise<T>, signal?: AbortSignal): Promise<T>
  /** See `SharedFile`. */
  release(): Promise<void>
}

/** A store in the file at `path`; opens nothing yet. */
export function duckdbStore({ duckdb, ...options }: DuckdbStoreOptions): DuckdbStore {
  const path = resolve(options.path)
  const patience = { ...commandPatience(systemClock), ...options.patience }
  const file = sharedFile({ ...options, path, patience, kind: duckdbFiles(duckdb) })
  return { path, exists: () => existsSync(path), use: file.use, release: file.release }
}
