/** Rows of a batch as records of Pinecone: flat metadata, cut into requests by bytes and count. */
import { createHash } from 'node:crypto'
import { type Connection, identifier, literals, type Row } from '../../engine/duckdb.ts'
import type { Column, DataType, ParquetFile } from '../../engine/schema.ts'
import type { Metadata, VectorRecord } from './client.ts'

/** Limits of one upsert (docs.pinecone.io, "Database limits"): a little is left for what is around the records. */
const mostBytes = 2 * 2 ** 20 - 16 * 1024
const mostRecords = 1000

/** Rows that are held in memory at once. */
const rowsPerRead = 1000

/** Texts are looked for as a whole: of longer ones a digest is enough, which leaves the room beside a vector to what is shown. */
const longestFolded = 200

const foldPrefix = '_fold_'

/** Name of the metadata that holds a column's texts as {@link fold} makes them. */
export function foldedName(column: string): string {
  return `${foldPrefix}${column}`
}

/** Text as it is stored for being looked for in any case. */
export function fold(text: string): string {
  const lower = text.toLowerCase()
  return lower.length <= longestFolded ? lower : `sha256:${createHash('sha256').update(lower).digest('hex')}`
}

/** Metadata without what is only there to be looked for. */
export function shownMetadata(metadata: Metadata): Metadata {
  return Object.fromEntries(Object.entries(metadata).filter(([name]) => !name.startsWith(foldPrefix)))
}

/** A relation over files with a column `id`, and others. */
export function scan(files: readonly ParquetFile[]): string {
  return `read_parquet(${literals(files.map((file) => file.path))}, union_by_name = true)`
}

/** Columns of files beside `id` and `embedding`, by their first appearance. */
function metadataColumns(files: readonly ParquetFile[]): Column[] {
  const columns = new Map<string, Column>()
  for (const column of files.flatMap((file) => file.columns))
    if (column.name !== 'id' && column.name !== 'embedding' && !columns.has(column.name))
      columns.set(column.name, column)
  return [...columns.values()]
}

/** A record, and how many bytes of a request it takes. */
export interface SizedRecord {
  readonly record: VectorRecord
  readonly bytes: number
  readonly metadataBytes: number
}

/** Rows by id, those with the same id once: the greatest. */
export async function* incomingRecords(
  connection: Connection,
  files: readonly ParquetFile[],
): AsyncGenerator<SizedRecord[]> {
  const columns = metadataColumns(files)
  const own = (name: string) => `r.${identifier(name)}`
  const shown = columns.map(({ name, type }) => `${flat(own(name), type)} AS ${identifier(name)}`)
  const greatest = ['embedding', ...columns.map(({ name }) => name)].map((name) => `${own(name)} DESC`).join(', ')
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE incoming_vectors AS SELECT r.id::VARCHAR AS id, r.embedding::FLOAT[] AS embedding${shown.map((each) => `, ${each}`).join('')}
     FROM ${scan(files)} r QUALIFY row_number() OVER (PARTITION BY r.id ORDER BY ${greatest}) = 1 ORDER BY r.id`,
  )
  for (let at = 0; ; at += rowsPerRead) {
    const rows = await connection.rows(
      `SELECT * FROM temp.incoming_vectors WHERE rowid >= ${at} AND rowid < ${at + rowsPerRead} ORDER BY rowid`,
    )
    if (rows.length > 0) yield rows.map(sizedRecord)
    if (rows.length < rowsPerRead) return
  }
}

/** What Pinecone has no type for becomes text, times in ISO 8601; of lists only texts are kept. */
function flat(column: string, type: DataType): string {
  if (typeof type !== 'string') {
    if (type.kind === 'array') return `list_filter(CAST(${column} AS VARCHAR[]), lambda x: x IS NOT NULL)`
    return type.kind === 'decimal' ? `CAST(${column} AS DOUBLE)` : `to_json(${column})::VARCHAR`
  }
  if (type === 'timestamp') return `strftime(${column}, '%Y-%m-%dT%H:%M:%S.%fZ')`
  if (type === 'timestamp_ntz') return `strftime(${column}, '%Y-%m-%dT%H:%M:%S.%f')`
  return type === 'date' || type === 'binary' ? `CAST(${column} AS VARCHAR)` : column
}

function sizedRecord({ id, embedding, ...rest }: Row): SizedRecord {
  const metadata: Metadata = {}
  for (const [name, value] of Object.entries(rest)) {
    const given = metadataValue(value)
    if (given === null) continue
    metadata[name] = given
    if (typeof given === 'string') metadata[foldedName(name)] = fold(given)
    if (Array.isArray(given)) metadata[foldedName(name)] = given.map(fold)
  }
  const record = { id: String(id), values: ((embedding ?? []) as number[]).map(shortened), metadata }
  const metadataBytes = Buffer.byteLength(JSON.stringify(metadata))
  // keys, quotes and commas around what varies; an id may be escaped
  const bytes = metadataBytes + record.values.join(',').length + 6 * record.id.length + 64
  return { record, bytes, metadataBytes }
}

/** Nulls, and lists of nothing, are left out: Pinecone has none. */
function metadataValue(value: unknown): Metadata[string] | null {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'string' || typeof value === 'boolean') return value
  return Array.isArray(value) && value.length > 0 ? (value as string[]) : null
}

/** A number of few digits that is the same 32-bit float: half the bytes of the request. */
function shortened(value: number): number {
  const short = Number(value.toPrecision(7))
  return Math.fround(short) === value ? short : Number(value.toPrecision(9))
}

/** Records as they go into requests. A record that is too large for one is alone in it. */
export async function* requests(records: AsyncIterable<readonly SizedRecord[]>): AsyncGenerator<SizedRecord[]> {
  let request: SizedRecord[] = []
  let bytes = 0
  for await (const some of records)
    for (const each of some) {
      if (request.length > 0 && (bytes + each.bytes > mostBytes || request.length >= mostRecords)) {
        yield request
        request = []
        bytes = 0
      }
      request.push(each)
      bytes += each.bytes
    }
  if (request.length > 0) yield request
}
