/** Statements to one ClickHouse database, and files to and from it. */
import { createReadStream, createWriteStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { clickhouseFailure } from './failures.ts'
import type { ClickhouseSettings } from './settings.ts'

/** Values of a statement, by name: `{name:Type}` in its text. */
export type Parameters = Readonly<Record<string, unknown>>

/** What a query gave. */
export interface Answer {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  /** Whole numbers of 64 bits, exact fractions and numbers that JSON has none for are text. */
  readonly rows: readonly Readonly<Record<string, unknown>>[]
}

/** One database. Everything throws a {@link MillraceError}: `CLICKHOUSE_UNREACHABLE`, `CLICKHOUSE_REFUSED`, `SINK_FAILED`. */
export interface Clickhouse {
  readonly settings: ClickhouseSettings
  /** Refused here, by name, what cannot go well later: user, password, database. */
  check(): Promise<void>
  run(sql: string, parameters?: Parameters): Promise<void>
  /** Whole numbers of 64 bits come as text. */
  rows(sql: string, parameters?: Parameters): Promise<Readonly<Record<string, unknown>>[]>
  /**
   * Rows of a query with the types of their columns; whatever would change something, settings too, is refused. A signal that aborts cancels
   * the query in the service, and rejects with its reason.
   */
  ask(sql: string, parameters?: Parameters, signal?: AbortSignal): Promise<Answer>
  /** Writes the rows of a query to a new Parquet file. */
  download(sql: string, path: string, parameters?: Parameters): Promise<void>
  /** Adds the rows of a Parquet file, as one insert. The same token again within the table's window does nothing. */
  upload(table: string, path: string, options: { readonly token: string; readonly signal?: AbortSignal }): Promise<void>
  close(): Promise<void>
}

/** For the headers by which a busy service says that it is alive: some hundred bytes each. */
const signsOfLifeBytes = 2 ** 22

/** Opens nothing yet. */
export function openClickhouse(settings: ClickhouseSettings): Clickhouse {
  const client = createClient({
    url: settings.url,
    username: settings.user,
    password: settings.password,
    database: settings.database,
    application: 'millrace',
    request_timeout: settings.requestTimeoutMs, // counted from the last sign of life
    max_response_headers_size: signsOfLifeBytes,
    log: { level: ClickHouseLogLevel.OFF }, // what goes wrong is thrown
    ...(settings.ca === null ? {} : { tls: { ca_cert: Buffer.from(settings.ca) } }),
    clickhouse_settings: {
      session_timezone: 'UTC',
      output_format_json_quote_64bit_integers: 1,
      send_progress_in_http_headers: 1,
      http_headers_progress_interval_ms: String(Math.ceil(settings.requestTimeoutMs / 4)),
    },
  })
  async function asked<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw clickhouseFailure(what, error, settings)
    }
  }
  const rows: Clickhouse['rows'] = (sql, query_params = {}) =>
    asked('query', async () => {
      const clickhouse_settings = { wait_end_of_query: 1 } as const // an error after the first row would cut the connection
      const result = await client.query({ query: sql, query_params, clickhouse_settings, format: 'JSONEachRow' })
      return result.json<Readonly<Record<string, unknown>>>()
    })
  return {
    settings,
    rows,
    async ask(sql, query_params = {}, abort_signal) {
      const answer = asked('query', async () => {
        const clickhouse_settings = {
          wait_end_of_query: 1,
          cancel_http_readonly_queries_on_client_close: 1,
          output_format_json_quote_decimals: 1, // as numbers they would lose digits
          output_format_json_quote_denormals: 1,
          readonly: '1',
        } as const
        const query = { query: sql, query_params, clickhouse_settings, format: 'JSON' } as const
        const result = await client.query({ ...query, ...(abort_signal === undefined ? {} : { abort_signal }) })
        const { meta = [], data } = await result.json<Readonly<Record<string, unknown>>>()
        return { columns: meta, rows: data }
      })
      return answer.catch((error: unknown) => {
        abort_signal?.throwIfAborted()
        throw error
      })
    },
    check: async () => void (await rows('SELECT 1 AS one')),
    run: (sql, query_params = {}) =>
      asked('statement', async () => {
        await client.command({ query: sql, query_params, clickhouse_settings: { wait_end_of_query: 1 } })
      }),
    download: (sql, path, query_params = {}) =>
      asked('query', async () => {
        const { stream } = await client.exec({
          query: `${sql} FORMAT Parquet`,
          query_params,
          clickhouse_settings: { wait_end_of_query: 1, output_format_parquet_string_as_string: 1 },
        })
        await pipeline(stream, createWriteStream(path))
      }),
    upload: (table, path, { token, signal }) =>
      asked('insert', async () => {
        const file = createReadStream(path)
        try {
          await client.insert<Readable>({
            table: quoted(table),
            values: file,
            format: 'Parquet',
            clickhouse_settings: { async_insert: 0, insert_deduplicate: 1, insert_deduplication_token: token },
            ...(signal === undefined ? {} : { abort_signal: signal }),
          })
        } finally {
          file.destroy() // left open, a request that failed would wait for its end
        }
      }),
    close: () => client.close(),
  }
}

/** A quoted identifier, whatever characters the name holds. */
export function quoted(name: string): string {
  return `\`${escaped(name).replaceAll('`', '\\`')}\``
}

/** A text literal, for what takes no parameters: the statements that define tables. */
export function text(value: string): string {
  return `'${escaped(value).replaceAll("'", "\\'")}'`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\0', '\\0')
}
