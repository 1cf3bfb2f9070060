/** Rows of Parquet files as batches of records, one per topic, without those that no topic takes. */
import { type Connection, type Duckdb, identifier, parquetRows } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { type Column, formatType, type ParquetFile } from '../../engine/schema.ts'
import { isTopicName } from './description.ts'
import { type ProducerBatch, producerBatch, type RecordColumns, type RecordHeader } from './producer-batch.ts'

/** Why a topic does not take a record for what is in it; null if it does. */
export type RefuseRecord = (columns: RecordColumns, row: number) => string | null

export interface SinkRowsOptions {
  readonly duckdb: Duckdb
  /** Topic of every row; without it the column `topic` names it. */
  readonly topic?: string
  /** Timestamp of rows that have none. */
  readonly nowMs: number
  /** What each of the topics refuses. Throws if one is not there. */
  readonly refusals: (topics: readonly string[]) => Promise<ReadonlyMap<string, RefuseRecord>>
}

/** A row that no topic takes. */
export interface RefusedRecord {
  /** Which of the files, and which row of it, from 0. */
  readonly file: number
  readonly row: number
  readonly message: string
}

/** What is to be sent, and what is not. */
export interface SinkRows {
  readonly batches: ReadonlyMap<string, ProducerBatch>
  readonly refused: readonly RefusedRecord[]
}

interface SinkRow {
  readonly topic: string | null
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestampUs: bigint | null
  readonly headers: readonly { readonly key: string | null; readonly value: Uint8Array | null }[] | null
}

/** Records of one topic, and where each of them came from. */
interface Gathered {
  readonly batch: ProducerBatch
  readonly origins: Pick<RefusedRecord, 'file' | 'row'>[]
}

/**
 * The rows of all files, in the order of the files and within each. Columns read are `topic`, `key`, `value`,
 * `timestamp` and `headers`; text counts as its UTF-8 bytes, a missing column as null. `SCHEMA_MISMATCH` for a column of another
 * type, `SINK_FAILED` for rows that have no column to name a topic.
 */
export async function recordsOf(files: readonly ParquetFile[], options: SinkRowsOptions): Promise<SinkRows> {
  assertColumns(files, options.topic)
  const gathered = new Map<string, Gathered>()
  const refused: RefusedRecord[] = []
  await options.duckdb.withConnection(async (connection) => {
    for (const [file, { path, columns }] of files.entries())
      for (const [row, each] of (await rowsOf(connection, path, columns)).entries()) {
        const message = unfit(each, options)
        if (message === null) addRow(gathered, each, { ...options, file, row })
        else refused.push({ file, row, message })
      }
  })
  const refusals = gathered.size === 0 ? new Map<string, RefuseRecord>() : await options.refusals([...gathered.keys()])
  const batches = new Map<string, ProducerBatch>()
  for (const [topic, its] of gathered) batches.set(topic, taken(its, refusals.get(topic) ?? (() => null), refused))
  return { batches, refused }
}

/** What rows are missing that could go to any topic. */
function unfit({ topic, headers }: SinkRow, options: SinkRowsOptions): string | null {
  const name = options.topic ?? topic
  if (name === null) return 'names no topic'
  if (!isTopicName(name)) return `names a topic that cannot be: ${JSON.stringify(name.slice(0, 40))}`
  return (headers ?? []).some(({ key }) => key === null) ? 'has a header without a name' : null
}

/** The batch without the records that its topic refuses; the same one if it refuses none. */
function taken({ batch, origins }: Gathered, refuse: RefuseRecord, refused: RefusedRecord[]): ProducerBatch {
  const out = new Set<number>()
  for (const [i, origin] of origins.entries()) {
    const message = refuse(batch.columns, i)
    if (message === null) continue
    out.add(i)
    refused.push({ ...origin, message })
  }
  return out.size === 0 ? batch : batch.without(out)
}

type Place = SinkRowsOptions & Pick<RefusedRecord, 'file' | 'row'>

function addRow(gathered: Map<string, Gathered>, row: SinkRow, { topic, nowMs, file, row: at }: Place): void {
  const name = topic ?? row.topic!
  const its = gathered.get(name) ?? { batch: producerBatch(), origins: [] }
  gathered.set(name, its)
  const headers = (row.headers ?? []).map(({ key, value }): RecordHeader => [key!, value])
  const timestampMs = row.timestampUs === null ? nowMs : milliseconds(row.timestampUs)
  its.batch.add({ key: row.key, value: row.value, timestampMs, headers })
  its.origins.push({ file, row: at })
}

async function rowsOf(connection: Connection, path: string, columns: readonly Column[]): Promise<readonly SinkRow[]> {
  const read = (name: string, sql: (quoted: string, type: unknown) => string) => {
    const found = columns.find((its) => its.name === name)
    return found === undefined ? 'NULL' : sql(identifier(name), found.type)
  }
  const bytes = (name: string) => read(name, (quoted, type) => (type === 'string' ? `encode(${quoted})` : quoted))
  const selected = [
    `${read('topic', (quoted) => quoted)} AS topic`,
    `${bytes('key')} AS key`,
    `${bytes('value')} AS value`,
    `${read('timestamp', (quoted) => `epoch_us(${quoted})`)} AS "timestampUs"`,
    `${read('headers', (quoted) => quoted)} AS headers`,
  ]
  const from = parquetRows([path], 'file_row_number = true')
  const rows = await connection.rows(`SELECT ${selected.join(', ')} FROM ${from} ORDER BY file_row_number`)
  return rows as unknown as readonly SinkRow[]
}

const headersType = 'array<struct<key: string, value: binary>>'

/** What the columns of a record may be, as {@link formatType} says it. */
const types: Readonly<Record<string, readonly string[]>> = {
  topic: ['string'],
  key: ['string', 'binary'],
  value: ['string', 'binary'],
  timestamp: ['timestamp', 'timestamp_ntz', 'date'],
  headers: [headersType],
}

function assertColumns(files: readonly ParquetFile[], topic: string | undefined): void {
  const columns = files.flatMap((file) => file.columns)
  const wrong = columns.find(
    ({ name, type }) => types[name]?.includes(formatType(type)) === false && !(name === 'topic' && topic !== undefined),
  )
  if (wrong !== undefined)
    throw new MillraceError(
      'SCHEMA_MISMATCH',
      `rows for the log have a column ${wrong.name} of type ${formatType(wrong.type)}, which must be ${types[wrong.name]!.join(' or ')} (cast it in the step that makes it)`,
      { context: { column: wrong.name } },
    )
  if (topic !== undefined || files.length === 0 || columns.some(({ name }) => name === 'topic')) return
  throw new MillraceError(
    'SINK_FAILED',
    'row for the log names no topic (fill its column `topic`, or give the sink one)',
  )
}

function milliseconds(microseconds: bigint): bigint | number {
  return microseconds % 1000n === 0n ? microseconds / 1000n : Number(microseconds) / 1000
}
