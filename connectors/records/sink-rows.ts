/** Rows of Parquet files as batches of records, one per topic. */
import { type Connection, type Duckdb, identifier, literal } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { type ProducerBatch, producerBatch, type RecordHeader } from './producer-batch.ts'

export interface SinkRowsOptions {
  readonly duckdb: Duckdb
  /** Topic of every row; without it the column `topic` names it. */
  readonly topic?: string
  /** Timestamp of rows that have none. */
  readonly nowMs: number
}

interface SinkRow {
  readonly topic: string | null
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestampUs: bigint | null
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[] | null
}

/**
 * The rows of all files, in the order of the files and within each. Columns read are `topic`, `key`, `value`,
 * `timestamp` and `headers`; text counts as its UTF-8 bytes, a missing column as null. `SINK_FAILED` for a row that
 * no topic is known of.
 */
export async function recordsOf(
  files: readonly ParquetFile[],
  options: SinkRowsOptions,
): Promise<ReadonlyMap<string, ProducerBatch>> {
  const batches = new Map<string, ProducerBatch>()
  await options.duckdb.withConnection(async (connection) => {
    for (const file of files) {
      for (const row of await rowsOf(connection, file)) addRow(batches, row, options)
    }
  })
  return batches
}

function addRow(batches: Map<string, ProducerBatch>, row: SinkRow, options: SinkRowsOptions): void {
  const topic = options.topic ?? row.topic
  if (topic === null)
    throw new MillraceError(
      'SINK_FAILED',
      'row for the log names no topic (fill its column `topic`, or give the sink one)',
    )
  const batch = batches.get(topic) ?? producerBatch()
  batches.set(topic, batch)
  const headers = (row.headers ?? []).map(({ key, value }): RecordHeader => [key, value])
  const timestampMs = row.timestampUs === null ? options.nowMs : milliseconds(row.timestampUs)
  batch.add({ key: row.key, value: row.value, timestampMs, headers })
}

async function rowsOf(connection: Connection, file: ParquetFile): Promise<readonly SinkRow[]> {
  const bytes = (name: string) =>
    column(file, name, (quoted, type) => (type === 'string' ? `encode(${quoted})` : quoted))
  const columns = [
    `${column(file, 'topic', (quoted) => quoted)} AS topic`,
    `${bytes('key')} AS key`,
    `${bytes('value')} AS value`,
    `${column(file, 'timestamp', (quoted) => `epoch_us(${quoted})`)} AS "timestampUs"`,
    `${column(file, 'headers', (quoted) => quoted)} AS headers`,
  ]
  const from = `read_parquet(${literal(file.path)}, file_row_number = true)`
  const rows = await connection.rows(`SELECT ${columns.join(', ')} FROM ${from} ORDER BY file_row_number`)
  return rows as unknown as readonly SinkRow[]
}

function column(file: ParquetFile, name: string, read: (quoted: string, type: unknown) => string): string {
  const found = file.columns.find((its) => its.name === name)
  return found === undefined ? 'NULL' : read(identifier(name), found.type)
}

function milliseconds(microseconds: bigint): bigint | number {
  return microseconds % 1000n === 0n ? microseconds / 1000n : Number(microseconds) / 1000
}
