/** DuckDB files as files that processes share. */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { saysDiskFull } from './disk-full.ts'
import {
  type Duckdb,
  identifier,
  literal,
  type OpenConnection,
  type Parameter,
  type Row,
  type StreamingConnection,
} from './duckdb.ts'
import type { KeyedVectors } from './duckdb-vectors.ts'
import { MillraceError, messageOf } from './errors.ts'
import { makeFolderNow } from './make-folder.ts'
import type { FileKind, FileSession, Mode, OpenFile, RemoteCall } from './shared-file/contract.ts'

/** Rows that cross to another process at a time. */
const rowsPerPart = 256

/** A DuckDB file, attached to a database of its own as long as it is open. Unqualified names in its sessions are the file's. */
export function duckdbFiles(duckdb: () => Promise<Duckdb>): FileKind<StreamingConnection> {
  return {
    async open(path, mode) {
      const database = await (await duckdb()).openForStore()
      try {
        return opened(database, path, await attach(database, path, mode))
      } catch (error) {
        await database.close()
        throw error
      }
    },
    holderOf,
    serve,
    remote,
  }
}

function aliasOf(path: string): string {
  return identifier(`millrace_store:${path}`)
}

/**
 * Attaches the file; whether it can be written. A `?` in its path cannot be got round: DuckDB resolves links before it looks at the path, takes
 * what follows the sign for options, and puts `.wal` before it. The log of checkpoints is opened there too, whatever the recovery mode.
 */
async function attach(database: Duckdb, path: string, mode: Mode): Promise<boolean> {
  if (path.includes('?'))
    throw new MillraceError(
      'STORAGE_FAILED',
      `store ${path}: DuckDB puts its write-ahead log elsewhere where the path of a file holds a ? (choose a data directory without one)`,
    )
  if (mode === 'write') makeFolderNow(dirname(path))
  else if (!existsSync(path)) throw storageFailed(path, new Error('no such file'))
  const attaching = `ATTACH ${literal(path)} AS ${aliasOf(path)}`
  return database.withConnection(async (connection) => {
    try {
      await connection.run(attaching)
      return true
    } catch (error) {
      if (holderOf(error) !== null) throw error
      if (mode === 'write' || !isForReadersAlone(error)) throw storageFailed(path, error)
    }
    await connection.run(`${attaching} (READ_ONLY)`).catch((error: unknown) => {
      throw holderOf(error) === null ? storageFailed(path, error) : error
    })
    return false
  })
}

function isForReadersAlone(error: unknown): boolean {
  return (
    /permission denied|read-only file system|operation not permitted/i.test(messageOf(error)) || saysDiskFull(error)
  )
}

/** Who holds the file, where that is why it could not be attached. */
function holderOf(error: unknown): string | null {
  const message = messageOf(error)
  if (error instanceof MillraceError || !/could not set lock|conflicting lock/i.test(message)) return null
  const pid = /PID (\d+)/i.exec(message)?.[1]
  return pid === undefined ? 'another process' : `process ${pid}`
}

function storageFailed(path: string, cause: unknown): MillraceError {
  const retryable = saysDiskFull(cause)
  const advice = retryable ? ' (free some space)' : ''
  return new MillraceError('STORAGE_FAILED', `store ${path} could not be opened: ${messageOf(cause)}${advice}`, {
    context: { path },
    retryable,
    cause,
  })
}

function opened(database: Duckdb, path: string, writable: boolean): OpenFile<StreamingConnection> {
  let broken = false
  const note = (error: unknown): void => {
    if (/database has been invalidated|FATAL Error/i.test(messageOf(error))) broken = true
  }
  return {
    writable,
    get broken() {
      return broken
    },
    async session(mode) {
      try {
        return await begin(await database.connect(), aliasOf(path), { mode, note })
      } catch (error) {
        note(error)
        throw error
      }
    },
    async close() {
      // writes what was committed into the file itself; if that fails it is still safe beside it, in the write-ahead log
      await database.withConnection((connection) => connection.run(`DETACH ${aliasOf(path)}`)).catch(() => {})
      await database.close()
    },
  }
}

/** A reader sees one state of the file throughout, in a transaction that cannot write. */
async function begin(
  { connection, interrupt, close }: OpenConnection,
  alias: string,
  { mode, note }: { readonly mode: Mode; readonly note: (error: unknown) => void },
): Promise<FileSession<StreamingConnection>> {
  try {
    await connection.run(`USE ${alias}`)
    if (mode === 'read') await connection.run('BEGIN TRANSACTION READ ONLY')
  } catch (error) {
    close()
    throw error
  }
  return {
    handle: { ...connection, chunks: connection.columnParts },
    interrupt,
    async end() {
      await connection.run('ROLLBACK').catch(note) // it fails as well where no transaction is open, which is usual for writers
      close()
    },
  }
}

async function* serve(
  connection: StreamingConnection,
  method: string,
  parameters: readonly unknown[],
): AsyncIterable<unknown> {
  const [sql, values] = parameters as [string, never]
  switch (method) {
    case 'run':
      return await connection.run(sql)
    case 'rows':
      return yield* inParts(connection.rowParts(sql, values))
    case 'select':
      return yield* inParts(connection.selectParts(sql, values))
    case 'chunks':
      return yield* connection.columnParts(sql, values)
    case 'keyedVectors':
      return yield* connection.keyedVectors(sql, values)
    case 'describe':
      return yield await connection.describe(sql)
    default:
      throw new Error(`no such method: ${method}`)
  }
}

async function* inParts(parts: AsyncIterable<Row[]>): AsyncIterable<Row[]> {
  for await (const rows of parts)
    for (let at = 0; at < rows.length; at += rowsPerPart) yield rows.slice(at, at + rowsPerPart)
}

function remote(call: RemoteCall): StreamingConnection {
  const rowParts = (sql: string, parameters: readonly Parameter[] = []) =>
    call('rows', [sql, parameters]) as AsyncIterable<Row[]>
  const selectParts = (sql: string, values: Readonly<Record<string, string>>) =>
    call('select', [sql, values]) as AsyncIterable<Row[]>
  const columnParts = (sql: string, parameters: readonly Parameter[] = []) =>
    call('chunks', [sql, parameters]) as AsyncIterable<readonly (readonly unknown[])[]>
  return {
    async run(sql) {
      await collected(call('run', [sql]))
    },
    rows: async (sql, parameters) => (await collected(rowParts(sql, parameters))).flat(),
    select: async (sql, values) => (await collected(selectParts(sql, values))).flat(),
    async describe(query) {
      const [description] = await collected(call('describe', [query]))
      return description as Awaited<ReturnType<StreamingConnection['describe']>>
    },
    chunks: columnParts,
    keyedVectors: (sql, parameters = []) => call('keyedVectors', [sql, parameters]) as AsyncIterable<KeyedVectors>,
    rowParts,
    selectParts,
    columnParts,
  }
}

async function collected<T>(parts: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const part of parts) all.push(part)
  return all
}
