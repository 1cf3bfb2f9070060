/** One DuckDB database per process: relational stages, Delta merges and embedded stores share its memory limit. */
import type { DuckDBConnection } from '@duckdb/node-api'

export interface DuckdbOptions {
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
  chunks(sql: string): AsyncIterable<readonly (readonly unknown[])[]>
  /**
   * Rows of one statement that only reads; `$name` in it is the value of that name. Throws for anything else, without running it. What the statement
   * reads is not limited.
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
  /** Runs `work` on a connection of its own, closed afterwards; temporary tables live as long as the connection. */
  withConnection<T>(work: (connection: Connection) => Promise<T>): Promise<T>
  close(): Promise<void>
}

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
  })
  return {
    async withConnection(work) {
      const connection = await instance.connect()
      try {
        await connection.run("SET TimeZone = 'UTC'")
        return await work(wrap(connection))
      } finally {
        connection.closeSync()
      }
    },
    async close() {
      instance.closeSync()
    },
  }
}

function wrap(connection: DuckDBConnection): Connection {
  return {
    async run(sql) {
      await connection.run(sql)
    },
    async rows(sql, parameters = []) {
      const reader = await connection.runAndReadAll(sql, [...parameters])
      return reader.getRowObjectsJS() as Row[]
    },
    async *chunks(sql) {
      const result = await connection.stream(sql)
      for (
        let chunk = await result.fetchChunk();
        chunk !== null && chunk.rowCount > 0;
        chunk = await result.fetchChunk()
      )
        yield chunk.getColumns()
    },
    async select(sql, values) {
      const { StatementType } = await import('@duckdb/node-api')
      const statements = await connection.extractStatements(sql)
      if (statements.count !== 1) throw new Error(`one statement is needed, not ${statements.count}`)
      const statement = await statements.prepare(0)
      try {
        if (statement.statementType !== StatementType.SELECT) throw new Error('only a query that reads is allowed')
        if (statement.parameterCount > 0) statement.bind(values)
        return (await statement.runAndReadAll()).getRowObjectsJS() as Row[]
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

/** A SQL list of string literals, for `read_parquet` and the like. */
export function literals(values: readonly string[]): string {
  return `[${values.map((value) => literal(value)).join(', ')}]`
}
