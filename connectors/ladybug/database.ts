/** A graph that any number of processes read and write at once; one write transaction at a time. */
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { systemClock } from '../../engine/clock.ts'
import { makeFolderNow } from '../../engine/make-folder.ts'
import { sharedFile } from '../../engine/shared-file/shared-file.ts'
import { commandPatience, type Patience } from '../../engine/shared-file/waiting.ts'
import { graphBufferBytes } from '../../engine/store-memory.ts'
import { checkRoom, type GraphSession, ladybugFiles, noGraph } from './file.ts'
import type { GraphParameters, GraphRow } from './statement.ts'

export type { GraphParameters, GraphRow } from './statement.ts'

/** Runs one statement to its end. */
export type RunCypher = (cypher: string, parameters?: GraphParameters) => Promise<GraphRow[]>

/** What ends a query before its time. */
export interface QueryLimits {
  /** Ends the wait for the answer, with its reason. The engine may go on with the query, up to `timeoutMs`. */
  readonly signal?: AbortSignal
  /** After so long the engine gives up on the query: `SINK_FAILED`. */
  readonly timeoutMs?: number
}

/** A graph. Nothing of it is open between the calls of its methods, for anybody to notice. */
export interface GraphDatabase {
  readonly path: string
  /** A statement on its own, which may write: it waits for its turn as transactions do. */
  readonly run: RunCypher
  /** A statement that sees what is committed, beside transactions. Refused if it would change anything. */
  read(cypher: string, parameters?: GraphParameters, limits?: QueryLimits): Promise<GraphRow[]>
  /**
   * Once all earlier callers of all processes are done: runs `prepare`, each statement of which stands alone (tables are made here), then
   * `work` in a transaction, which is committed if `work` resolves, and rolled back if it throws or calls `rollback`. `STORE_BUSY`, retryable, if
   * the process that has the file open ends meanwhile: only the graph itself shows then whether it was committed.
   */
  transaction<P, T>(
    prepare: (run: RunCypher) => Promise<P>,
    work: (transaction: GraphTransaction, prepared: P) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>
  /** Lets go of the file, if this process has it open, once nobody uses it. */
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
  /** `write` makes the file at the first transaction. */
  readonly mode: 'read' | 'write'
  /** What the engine may keep of the file in memory, in the process that opens it. By default {@link graphBufferBytes}. */
  readonly bufferPoolBytes?: number
  /** Room that the disk must have before anything is written. Default 64 MiB. */
  readonly reserveBytes?: number
  /** How long to wait while a program of others has the file open. By default a minute. */
  readonly patience?: Partial<Patience>
  /** See `SharedFileOptions`. */
  readonly idleMs?: number
}

/**
 * The graph at a path; its file is opened when it is used. Errors: `TABLE_NOT_FOUND` when there is nothing to read, `STORAGE_FAILED` where the file
 * cannot be opened, and, retryable, for writing while the disk is nearly full; `STORE_BUSY` (retryable) where waiting for the file ends in vain.
 */
export async function openGraphDatabase(options: GraphDatabaseOptions): Promise<GraphDatabase> {
  const { mode, bufferPoolBytes = graphBufferBytes, reserveBytes = 2 ** 26, ...rest } = options
  const path = resolve(options.path)
  if (mode === 'read' && !existsSync(path)) throw noGraph(path)
  const assertRoom = (): void => {
    makeFolderNow(dirname(path))
    checkRoom(path, reserveBytes)
  }
  if (mode === 'write') assertRoom()
  const file = sharedFile<GraphSession>({
    ...rest,
    path,
    kind: ladybugFiles({ bufferPoolBytes, reserveBytes }),
    patience: { ...commandPatience(systemClock), ...options.patience },
  })
  return {
    path,
    run: (cypher, parameters) => file.use('write', (session) => session.run(cypher, parameters)),
    read: (cypher, parameters, { signal, timeoutMs } = {}) =>
      file.use('read', (session) => session.read(cypher, parameters, timeoutMs), signal),
    async transaction(prepare, work, signal) {
      assertRoom()
      return file.use('write', (session) => transact(session, prepare, work), signal)
    },
    close: file.release,
  }
}

async function transact<P, T>(
  { run }: GraphSession,
  prepare: (run: RunCypher) => Promise<P>,
  work: (transaction: GraphTransaction, prepared: P) => Promise<T>,
): Promise<T> {
  let active = false
  const rollback = async (): Promise<void> => {
    active = false
    await run('ROLLBACK').catch(() => {}) // an error has ended the transaction before
  }
  const prepared = await prepare(run)
  await run('BEGIN TRANSACTION')
  active = true
  try {
    const result = await work({ run, rollback }, prepared)
    if (active) await run('COMMIT')
    return result
  } catch (error) {
    if (active) await rollback()
    throw error
  }
}
