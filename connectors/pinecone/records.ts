/** Rows of a batch as records of Pinecone: flat metadata, cut into requests by bytes and count. */
import { type Connection, identifier, literals, type Row } from '../../engine/duckdb.ts'
import type { Column, DataType, ParquetFile } from '../../engine/schema.ts'
import type { Metadata, VectorRecord } from './client.ts'

/** Limits of one upsert (docs.pinecone.io, "Database limits"): a little is left for what is around the records. */
const mostBytes = 2 * 2 ** 20 - 16 * 1024
const mostRecords = 1000

/** Rows that are held in memory at once. */
const rowsPerRead = 1000

/** Beside a text of at most so many characters its lower case is stored, so that it can be looked for in any case. */
const longestFolded = 200

const foldPrefix = '_fold_'

/** Name of the metadata that holds a column's text in lower case. */
export function foldedName(column: string): string {
  return `${foldPrefix}${column}`
}

/** Text as it is compared in any case. */
export function fold(text: string): string {
  return text.toLowerCase()
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

/** Rows by id, those with the same id once: the greatest. */
export async function* incomingRecords(
  connection: Connection,
  files: readonly ParquetFile[],
): AsyncGenerator<VectorRecord> {
  const columns = metadataColumns(files)
  const shown = columns.map(({ name, type }) => `${flat(identifier(name), type)} AS ${identifier(name)}`)
  const greatest = ['embedding', ...columns.map(({ name }) => identifier(name))]
    .map((name) => `${name} DESC`)
    .join(', ')
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE incoming_vectors AS SELECT id::VARCHAR AS id, embedding::FLOAT[] AS embedding${shown.map((each) => `, ${each}`).join('')}
     FROM ${scan(files)} QUALIFY row_number() OVER (PARTITION BY id ORDER BY ${greatest}) = 1 ORDER BY id`,
  )
  for (let at = 0; ; at += rowsPerRead) {
    const rows = await connection.rows(
      `SELECT * FROM temp.incoming_vectors WHERE rowid >= ${at} AND rowid < ${at + rowsPerRead} ORDER BY rowid`,
    )
    for (const row of rows) yield record(row)
    if (rows.length < rowsPerRead) return
  }
}

/** What Pinecone has no type for becomes text; of lists only texts are kept. */
function flat(column: string, type: DataType): string {
  if (typeof type !== 'string') {
    if (type.kind === 'array') return `list_filter(CAST(${column} AS VARCHAR[]), lambda x: x IS NOT NULL)`
    return type.kind === 'decimal' ? `CAST(${column} AS DOUBLE)` : `to_json(${column})::VARCHAR`
  }
  return ['date', 'timestamp', 'timestamp_ntz', 'binary'].includes(type) ? `CAST(${column} AS VARCHAR)` : column
}

function record({ id, embedding, ...rest }: Row): VectorRecord {
  const metadata: Metadata = {}
  for (const [name, value] of Object.entries(rest)) {
    const given = metadataValue(value)
    if (given === null) continue
    metadata[name] = given
    if (typeof given === 'string' && given.length <= longestFolded) metadata[foldedName(name)] = fold(given)
    if (Array.isArray(given)) metadata[foldedName(name)] = given.map(fold)
  }
  return { id: String(id), values: ((embedding ?? []) as number[]).map(shortened), metadata }
}

/** Nulls, and lists of nothing, are left out: Pinecone has none. */
function metadataValue(value: unknown): Metadata[string] | null {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'string' || typeof value === 'boolean') return value
  return Array.isArray(value) && value.length > 0 ? (value as string[]) : null
}

/** The shortest number that is the same 32-bit float: half the bytes of the request. */
function shortened(value: number): number {
  return Number(value.toPrecision(9))
}

/** Records as they go into requests. A record that is too large for one is alone in it. */
export async function* requests(records: AsyncIterable<VectorRecord>): AsyncGenerator<VectorRecord[]> {
  let request: VectorRecord[] = []
  let bytes = 0
  for await (const each of records) {
    const size = Buffer.byteLength(JSON.stringify(each)) + 1
    if (request.length > 0 && (bytes + size > mostBytes || request.length >= mostRecords)) {
      yield request
      request = []
      bytes = 0
    }
    request.push(each)
    bytes += size
  }
  if (request.length > 0) yield request
}
