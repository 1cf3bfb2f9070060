/** Ladybug's files as files that processes share. */
import { existsSync, statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { MillraceError, messageOf } from '../../engine/errors.ts'
import { makeFolderNow } from '../../engine/make-folder.ts'
import type { FileKind, FileSession, Mode, OpenFile } from '../../engine/shared-file/contract.ts'
import { folding } from './folding.ts'
import { loadNative, type Native, type NativeConnection, type NativeDatabase } from './native.ts'
import { execute, type GraphParameters, type GraphRow } from './statement.ts'

/** The statements of one session. */
export interface GraphSession {
  run(cypher: string, parameters?: GraphParameters): Promise<GraphRow[]>
  /** Refused if it would change anything, and ended by the engine after `timeoutMs`. */
  read(cypher: string, parameters?: GraphParameters, timeoutMs?: number): Promise<GraphRow[]>
}

/** What a database may take. */
export interface GraphFileOptions {
  readonly bufferPoolBytes: number
  /** Room that the disk must have before anything is written. */
  readonly reserveBytes: number
}

const threads = 2
const maxSizeBytes = 2 ** 38 // of address space; the default of 8 TiB is more than some machines allow

/** Rows that cross to another process at a time. */
const rowsPerPart = 256

/** A Ladybug database. A reader sees one state of it throughout; a statement that runs cannot be interrupted, only limited in time. */
export function ladybugFiles(options: GraphFileOptions): FileKind<GraphSession> {
  return {
    open: (path, mode) => openFile(path, mode, options),
    holderOf: (error) => (!(error instanceof MillraceError) && isInUse(error) ? 'another process' : null),
    async *serve(session, method, parameters) {
      const [cypher, values, timeoutMs] = parameters as [string, GraphParameters | undefined, number | undefined]
      const rows = method === 'read' ? await session.read(cypher, values, timeoutMs) : await session.run(cypher, values)
      for (let at = 0; at < rows.length; at += rowsPerPart) yield rows.slice(at, at + rowsPerPart)
    },
    remote: (call) => {
      const rows = async (method: string, parameters: readonly unknown[]): Promise<GraphRow[]> => {
        const all: GraphRow[] = []
        for await (const part of call(method, parameters)) all.push(...(part as GraphRow[]))
        return all
      }
      return {
        run: (cypher, parameters) => rows('run', [cypher, parameters]),
        read: (cypher, parameters, timeoutMs) => rows('read', [cypher, parameters, timeoutMs]),
      }
    },
  }
}

/**
 * A disk that fills up while the engine folds its write-ahead log into the file can cost what was committed, or the
 * file: so neither is begun without room to spare.
 */
export function checkRoom(path: string, reserveBytes: number): void {
  const { bavail, bsize } = statfsSync(dirname(path))
  if (bavail * bsize >= reserveBytes) return
  const mib = (bytes: number): string => `${Math.floor(bytes / 2 ** 20)} MiB`
  throw new MillraceError(
    'STORAGE_FAILED',
    `graph store ${path} is not written: the disk is nearly full, with ${mib(bavail * bsize)} left (free some space, ${mib(reserveBytes)} at least)`,
    { retryable: true, context: { path } },
  )
}

function hasRoom(path: string, reserveBytes: number): boolean {
  try {
    checkRoom(path, reserveBytes)
    return true
  } catch {
    return false
  }
}

async function openFile(path: string, mode: Mode, options: GraphFileOptions): Promise<OpenFile<GraphSession>> {
  if (mode === 'write') {
    makeFolderNow(dirname(path))
    checkRoom(path, options.reserveBytes)
  } else if (!existsSync(path)) throw noGraph(path)
  const native = await loadNative()
  const writable = mode === 'write' || hasRoom(path, options.reserveBytes)
  const open = async (readOnly: boolean): Promise<NativeDatabase> => {
    const database = new native.Database(path, options.bufferPoolBytes, true, readOnly, maxSizeBytes, false)
    await database.init()
    return database
  }
  try {
    return opened(native, await open(!writable), { path, writable, reserveBytes: options.reserveBytes })
  } catch (error) {
    if (isInUse(error)) throw error
    if (mode === 'read' && writable && /permission denied|read-only file system/i.test(messageOf(error)))
      return opened(native, await open(true), { path, writable: false, reserveBytes: options.reserveBytes })
    throw new MillraceError(
      'STORAGE_FAILED',
      `graph store ${path} could not be opened: ${messageOf(error)} (if it is damaged, delete it and run its pipelines: they fill it again)`,
      { context: { path }, cause: error },
    )
  }
}

/** Its lock, or the files beside it that whoever closes or recovers it takes away while we open it. */
function isInUse(error: unknown): boolean {
  return /could not set lock|cannot open file \S+\.(?:shadow|wal): no such file/i.test(messageOf(error))
}

/** There is nothing to read. */
export function noGraph(path: string): MillraceError {
  return new MillraceError('TABLE_NOT_FOUND', `graph store not found: ${path} (run a pipeline that fills it first)`)
}

interface Where {
  readonly path: string
  readonly writable: boolean
  readonly reserveBytes: number
}

function opened(native: Native, database: NativeDatabase, where: Where): OpenFile<GraphSession> {
  const fold = folding()
  return {
    writable: where.writable,
    broken: false,
    async session(mode) {
      return begin(new native.Connection(database, threads), mode)
    },
    async afterWrite(alone) {
      const patienceMs = fold.patienceMs(logBytes(where.path))
      if (patienceMs === null || !hasRoom(where.path, where.reserveBytes)) return
      await alone(() => checkpoint(native, database), patienceMs)
      fold.tried(logBytes(where.path))
    },
    close: () => database.close(),
  }
}

function logBytes(path: string): number {
  return statSync(`${path}.wal`, { throwIfNoEntry: false })?.size ?? 0
}

/** Beside a reader it would show that one what was written since it began: so this is left to moments without any. */
async function checkpoint(native: Native, database: NativeDatabase): Promise<void> {
  const connection = new native.Connection(database, threads)
  try {
    await execute(connection, 'CHECKPOINT')
  } catch {
    // what was committed is in the write-ahead log
  } finally {
    await connection.close()
  }
}

async function begin(connection: NativeConnection, mode: Mode): Promise<FileSession<GraphSession>> {
  let running: Promise<unknown> = Promise.resolve()
  const interrupted = Promise.withResolvers<never>()
  interrupted.promise.catch(() => {})
  const statement = (work: () => Promise<GraphRow[]>): Promise<GraphRow[]> => {
    const rows = running.then(work)
    running = rows.catch(() => {})
    return Promise.race([rows, interrupted.promise])
  }
  if (mode === 'read') await execute(connection, 'BEGIN TRANSACTION READ ONLY')
  return {
    handle: {
      run: (cypher, parameters) => statement(() => execute(connection, cypher, parameters)),
      read: (cypher, parameters = {}, timeoutMs) =>
        statement(() => {
          if (timeoutMs !== undefined) connection.setQueryTimeout(Math.max(1, Math.ceil(timeoutMs)))
          return execute(connection, cypher, parameters, 'read')
        }),
    },
    interrupt: () => interrupted.reject(new Error('interrupted')),
    async end() {
      await running
      await execute(connection, 'ROLLBACK').catch(() => {}) // it fails where no transaction is open
      await connection.close()
    },
  }
}
