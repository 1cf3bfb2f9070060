/** DuckDB in this process: one database for relational stages and Delta merges, and one for each embedded store that is open. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { DuckDBConnection, DuckDBPreparedStatement, DuckDBResult } from '@duckdb/node-api'
import { damagedFile } from './damaged-file.ts'
import { type BytesFunction, registerBytesFunction } from './duckdb-function.ts'
import { readableValue } from './duckdb-values.ts'
import { type KeyedVectors, keyedVectors } from './duckdb-vectors.ts'
import { makeFolderNow } from './make-folder.ts'
import { duckdbThreads } from './memory.ts'
import { openReservations, type Reserve } from './reservations.ts'
import { storeMemoryBytes } from './store-memory.ts'

export interface DuckdbOptions {
  /** Of the one database; what each store may take beside it is {@link storeMemoryBytes}. */
  readonly memoryLimitBytes: number
  readonly threads: number
  /** Where DuckDB spills when the limit is reached. */
  readonly tempDir: string
}

/** A row as DuckDB's own JavaScript values: BIGINT as bigint, BLOB as Uint8Array, STRUCT as object, LIST as array. */
export type Row = Readonly<Record<string, unknown>>

/** A value that is handed to a statement beside its text. */
export type Parameter = string | number

/**
 * One connection: statements run one after another. SQL text is built from {@link identifier} and {@link literal}
 * only; values that come from records never become part of it otherwise.
 */
export interface Connection {
  run(sql: string): Promise<void>
  /** `parameters`: the values of `$1`, `$2` and so on. */
  rows(sql: string, parameters?: readonly Parameter[]): Promise<Row[]>
  /** The columns of a query's result, some thousand rows at a time: for results that are large. BIGINT as bigint. */
  chunks(sql: string, parameters?: readonly Parameter[]): AsyncIterable<readonly (readonly unknown[])[]>
  /** A query of a text and a `FLOAT[n]`, neither of them ever null, in parts. */
  keyedVectors(sql: string, parameters?: readonly Parameter[]): AsyncIterable<KeyedVectors>
  /**
   * Rows of one statement that only reads, for those who ask: days, times and exact fractions are text, as `readable.ts` says. `$name` in it is the
   * value of that name. Throws for anything else, without running it. What the statement reads is not limited.
   */
  select(sql: string, values: Readonly<Record<string, string>>): Promise<Row[]>
  /** Names and DuckDB types of a query's columns, without running it. */
  describe(query: string): Promise<{ readonly names: readonly string[]; readonly types: readonly DuckdbType[] }>
}

/** DuckDB's type tree as its client describes it in JSON (`typeId` is DuckDB's C enum). */
export interface DuckdbType {
  readonly typeId: number
  readonly alias?: string
  readonly width?: number
  readonly scale?: number
  readonly length?: number
  readonly valueType?: DuckdbType
  readonly keyType?: DuckdbType
  readonly entryNames?: readonly string[]
  readonly entryTypes?: readonly DuckdbType[]
}

/** The process's database. */
export interface Duckdb {
  readonly memoryLimitBytes: number
  /** Before statements that take much of the memory: `bytes` of it, as far as can be told. */
  readonly reserve: Reserve
  /** Runs `work` on a connection of its own, closed afterwards; temporary tables live as long as the connection. */
  withConnection<T>(work: (connection: Connection) => Promise<T>): Promise<T>
  /** A connection of its own, to be closed. */
  connect(): Promise<OpenConnection>
  /** Lets the statements of all connections call a function, by its name. A second time it does nothing. */
  define(wanted: BytesFunction): Promise<void>
  /**
   * Another database in memory, with the memory of a store. To it a file is attached: what fails there, and who waits for transactions there,
   * is of no concern to this one.
   */
  openForStore(): Promise<Duckdb>
  close(): Promise<void>
}

/** A connection, and what is done to it from outside. */
export interface OpenConnection {
  readonly connection: StreamingConnection
  /** Ends the statement that is running, if one is: it rejects. */
  interrupt(): void
  close(): void
}

/** A connection whose results can be taken in parts, so that large ones need not be held as a whole. */
export interface StreamingConnection extends Connection {
  /** As `rows`. */
  rowParts(sql: string, parameters?: readonly Parameter[]): AsyncIterable<Row[]>
  /** As `select`. */
  selectParts(sql: string, values: Readonly<Record<string, string>>): AsyncIterable<Row[]>
  /** As `chunks`, with the values that `rows` gives. */
  columnParts(sql: string, parameters?: readonly Parameter[]): AsyncIterable<readonly (readonly unknown[])[]>
}

let databases = 0

/** Opens the process's database, in memory; time zone UTC, so that timestamps mean the same on every machine. */
export async function openDuckdb(options: DuckdbOptions): Promise<Duckdb> {
  const { DuckDBInstance } = await import('@duckdb/node-api') // large and native: loaded only where a database is opened
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: `${Math.floor(options.memoryLimitBytes / 2 ** 20)}MiB`,
    threads: String(options.threads),
    temp_directory: options.tempDir,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    preserve_insertion_order: 'false',
    allocator_background_threads: 'true', // without them an idle database gives no memory back
    enable_external_file_cache: 'false', // the system keeps pages of local files; a second copy would be within our limit
  })
  const defined = new Map<string, Promise<void>>()
  const connect = async (): Promise<OpenConnection> => {
    const connection = await instance.connect()
    await connection.run("SET TimeZone = 'UTC'")
    return {
      connection: wrap(connection),
      interrupt: () => connection.interrupt(),
      close: () => connection.closeSync(),
    }
  }
  const register = async (wanted: BytesFunction): Promise<void> => {
    const connection = await instance.connect()
    try {
      await registerBytesFunction(connection, wanted)
    } finally {
      connection.closeSync()
    }
  }
  return {
    connect,
    memoryLimitBytes: options.memoryLimitBytes,
    reserve: openReservations(options.memoryLimitBytes),
    async withConnection(work) {
      const { connection, close } = await connect()
      try {
        return await work(connection)
      } finally {
        close()
      }
    },
    define(wanted) {
      const registered = defined.get(wanted.name) ?? register(wanted)
      defined.set(wanted.name, registered)
      return registered
    },
    async openForStore() {
      databases += 1
      const tempDir = join(options.tempDir, `millrace-store-${process.pid}-${databases}`) // two databases cannot spill into one folder
      makeFolderNow(tempDir, { mode: 0o700 })
      const memoryLimitBytes = storeMemoryBytes(options.memoryLimitBytes)
      const threads = duckdbThreads(memoryLimitBytes, options.threads)
      const opened = await openDuckdb({ ...options, tempDir, memoryLimitBytes, threads })
      return {
        ...opened,
        async close() {
          await opened.close()
          rmSync(tempDir, { recursive: true, force: true })
        },
      }
    },
    async close() {
      instance.closeSync()
    },
  }
}

/** A file that cannot be read is an error of ours; what else DuckDB says is left to who knows the statement. */
function wrap(connection: DuckDBConnection): StreamingConnection {
  const bare = plainly(connection)
  return {
    run: (sql) => mended(bare.run(sql)),
    rows: (sql, parameters) => mended(bare.rows(sql, parameters)),
    rowParts: (sql, parameters) => mendedParts(bare.rowParts(sql, parameters)),
    chunks: (sql, parameters) => mendedParts(bare.chunks(sql, parameters)),
    columnParts: (sql, parameters) => mendedParts(bare.columnParts(sql, parameters)),
    keyedVectors: (sql, parameters) => mendedParts(bare.keyedVectors(sql, parameters)),
    select: (sql, values) => mended(bare.select(sql, values)),
    selectParts: (sql, values) => mendedParts(bare.selectParts(sql, values)),
    describe: (query) => mended(bare.describe(query)),
  }
}

async function mended<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw damagedFile(error)
  }
}

async function* mendedParts<T>(parts: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* parts
  } catch (error) {
    throw damagedFile(error)
  }
}

function plainly(connection: DuckDBConnection): StreamingConnection {
  return {
    async run(sql) {
      await connection.run(sql)
    },
    async rows(sql, parameters = []) {
      const reader = await connection.runAndReadAll(sql, [...parameters])
      return reader.getRowObjectsJS() as Row[]
    },
    async *rowParts(sql, parameters = []) {
      yield* rowsOf(await connection.stream(sql, [...parameters]))
    },
    async *chunks(sql, parameters = []) {
      const result = await connection.stream(sql, [...parameters])
      for (
        let chunk = await result.fetchChunk();
        chunk !== null && chunk.rowCount > 0;
        chunk = await result.fetchChunk()
      )
        yield chunk.getColumns()
    },
    async *keyedVectors(sql, parameters = []) {
      yield* keyedVectors(await connection.stream(sql, [...parameters]))
    },
    async *columnParts(sql, parameters = []) {
      const result = await connection.stream(sql, [...parameters])
      for await (const rows of result.yieldRowsJs())
        if (rows.length > 0) yield result.columnNames().map((_, column) => rows.map((row) => row[column]))
    },
    async select(sql, values) {
      const statement = await readingStatement(connection, sql, values)
      try {
        const readable = await readableRows()
        return readable((await statement.runAndReadAll()).getRowObjects())
      } finally {
        statement.destroySync()
      }
    },
    async *selectParts(sql, values) {
      const statement = await readingStatement(connection, sql, values)
      try {
        const readable = await readableRows()
        for await (const rows of (await statement.stream()).yieldRowObjects()) yield readable(rows)
      } finally {
        statement.destroySync()
      }
    },
    async describe(query) {
      const reader = await connection.runAndReadAll(`SELECT * FROM (${query}) LIMIT 0`)
      const { columnNames, columnTypes } = reader.columnNamesAndTypesJson() as unknown as {
        columnNames: string[]
        columnTypes: DuckdbType[]
      }
      return { names: columnNames, types: columnTypes }
    },
  }
}

async function* rowsOf(result: DuckDBResult): AsyncIterable<Row[]> {
  for await (const rows of result.yieldRowObjectJs()) yield rows as Row[]
}

/** What makes rows readable; the client's classes are loaded by then. */
async function readableRows(): Promise<(rows: readonly Row[]) => Row[]> {
  const api = await import('@duckdb/node-api')
  const readable = (row: Row): Row =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, readableValue(value, api)]))
  return (rows) => rows.map(readable)
}

/** One statement, bound, that only reads; to be destroyed. */
async function readingStatement(
  connection: DuckDBConnection,
  sql: string,
  values: Readonly<Record<string, string>>,
): Promise<DuckDBPreparedStatement> {
  const { StatementType } = await import('@duckdb/node-api')
  const statements = await connection.extractStatements(sql)
  if (statements.count !== 1) throw new Error(`one statement is needed, not ${statements.count}`)
  const statement = await statements.prepare(0)
  try {
    if (statement.statementType !== StatementType.SELECT) throw new Error('only a query that reads is allowed')
    if (statement.parameterCount > 0) statement.bind(values)
    return statement
  } catch (error) {
    statement.destroySync()
    throw error
  }
}

/** A quoted SQL identifier, whatever characters the name holds. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A SQL expression for a scalar, whatever characters it holds: a literal, or several where a text holds NUL. */
export function literal(value: string | number | bigint | boolean | null): string {
  if (value === null) return 'NULL'
  if (typeof value === 'string') return textLiteral(value)
  if (typeof value === 'number' && !Number.isFinite(value)) return `'${value}'::DOUBLE`
  return String(value)
}

/** SQL text ends at a NUL. */
function textLiteral(value: string): string {
  const parts = value.split('\0').map((part) => `'${part.replaceAll("'", "''")}'`)
  return parts.length === 1 ? parts[0]! : `(${parts.join(' || chr(0) || ')})`
}

/** A SQL list of string literals. */
export function literals(values: readonly string[]): string {
  return `[${values.map((value) => literal(value)).join(', ')}]`
}

/** Paths as an argument of DuckDB's readers (`parquet_metadata`), which take a path for a pattern: in brackets each sign stands for itself. */
export function exactPaths(paths: readonly string[]): string {
  return literals(paths.map((path) => path.replace(/[[*?]/g, '[$&]')))
}

/** Rows of exactly these Parquet files as a relation: no path is taken for a pattern, and no `a=b` in one for a column. */
export function parquetRows(paths: readonly string[], ...options: readonly string[]): string {
  return `read_parquet(${[exactPaths(paths), 'hive_partitioning = false', ...options].join(', ')})`
}
