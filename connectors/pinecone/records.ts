/** Rows of a batch as records of Pinecone: flat metadata, cut into requests by bytes and count. */
import { createHash } from 'node:crypto'
import { type Connection, identifier } from '../../engine/duckdb.ts'
import type { DataType, ParquetFile } from '../../engine/schema.ts'
import { metadataColumns, takenRows } from '../vectors/incoming.ts'
import type { Metadata } from './client.ts'

/** Limits of one upsert (docs.pinecone.io, "Database limits"): a little is left for what is around the records. */
const mostBytes = 2 * 2 ** 20 - 16 * 1024
const mostRecords = 1000

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

/** A record as a request holds it. */
export interface WrittenRecord {
  readonly id: string
  /** Its whole JSON text. */
  readonly json: string
  readonly metadata: Metadata
  /** What of it Pinecone would refuse by the rules that it documents; null: it is worth a request. */
  readonly fault: string | null
}

/** Rows, those with the same id once: the greatest. In no order. */
export async function* incomingRecords(
  connection: Connection,
  files: readonly ParquetFile[],
): AsyncGenerator<WrittenRecord> {
  const columns = metadataColumns(files)
  const own = (name: string) => `r.${identifier(name)}`
  // DuckDB writes the shortest text that is the same 32-bit float, and does it faster than all that could be done here
  const written = [
    "array_to_string(CAST(r.embedding AS FLOAT[]), ',')",
    ...columns.map(({ name, type }) => flat(own(name), type)),
  ]
  const greatest = ['embedding', ...columns.map(({ name }) => name)].map((name) => `${own(name)} DESC`).join(', ')
  const [row] = await connection.rows(`SELECT count(*) = count(DISTINCT id) AS once FROM ${takenRows(files, 'vector')}`)
  const qualify = row?.once === true ? '' : `QUALIFY row_number() OVER (PARTITION BY r.id ORDER BY ${greatest}) = 1`
  const names = columns.map(({ name }) => name)
  for await (const [ids = [], values = [], ...rest] of connection.chunks(
    `SELECT r.id::VARCHAR, ${written.join(', ')} FROM ${takenRows(files, 'vector')} r ${qualify}`,
  ))
    for (let i = 0; i < ids.length; i += 1) {
      const metadata = metadataOf(
        names,
        rest.map((column) => column[i]),
      )
      yield writtenRecord(String(ids[i]), `[${values[i]}]`, metadata)
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

function metadataOf(names: readonly string[], values: readonly unknown[]): Metadata {
  const metadata: Metadata = {}
  for (const [i, name] of names.entries()) {
    const given = metadataValue(values[i])
    if (given === null) continue
    metadata[name] = given
    if (typeof given === 'string') metadata[foldedName(name)] = fold(given)
    if (Array.isArray(given)) metadata[foldedName(name)] = given.map(fold)
  }
  return metadata
}

/** Limits of one record, as documented. */
const longestId = 512
const largestMetadata = 40 * 1024

/** @param values the numbers of the vector, as a list in JSON */
export function writtenRecord(id: string, values: string, metadata: Metadata): WrittenRecord {
  const beside = JSON.stringify(metadata)
  const json = `{"id":${JSON.stringify(id)},"values":${values},"metadata":${beside}}`
  return { id, json, metadata, fault: faultOf(id, values, Buffer.byteLength(beside)) }
}

function faultOf(id: string, values: string, metadataBytes: number): string | null {
  if (id === '' || id.length > longestId) return `an id has 1 to ${longestId} characters, not ${id.length}`
  if (/[ni]/.test(values)) return 'a vector holds what is no finite number' // nan, inf
  if (!/[1-9]/.test(values)) return 'a vector that is all zero has no direction, and cannot be kept'
  if (metadataBytes > largestMetadata)
    return `what is stored beside a vector has at most ${largestMetadata} bytes, not ${metadataBytes}`
  return null
}

/** Nulls, and lists of nothing, are left out: Pinecone has none. */
function metadataValue(value: unknown): Metadata[string] | null {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'string' || typeof value === 'boolean') return value
  const list = value === null ? [] : (value as { readonly items: readonly string[] }).items
  return list.length > 0 ? [...list] : null
}

/** Records as they go into requests. A record that is too large for one is alone in it. */
export async function* requests(records: AsyncIterable<WrittenRecord>): AsyncGenerator<WrittenRecord[]> {
  let request: WrittenRecord[] = []
  let bytes = 0
  for await (const each of records) {
    const size = Buffer.byteLength(each.json) + 1
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
