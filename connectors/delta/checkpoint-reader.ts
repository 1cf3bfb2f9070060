/** Log checkpoints of every kind, read through DuckDB (PROTOCOL.md, "Checkpoints", "Sidecar Files"). */
import type { ObjectStore } from '../../engine/contracts.ts'
import { type Connection, type Duckdb, type DuckdbType, identifier, literal } from '../../engine/duckdb.ts'
import type { Action } from './actions.ts'
import { localPath, readTableFile } from './data-location.ts'
import { parseJson } from './int64-json.ts'
import type { ListedCheckpoint } from './log-listing.ts'
import { parseAction } from './parse-action.ts'

/** What log checkpoints are read with. */
export interface CheckpointReader {
  readonly store: ObjectStore
  readonly table: string
  readonly duckdb: Duckdb
}

/** The actions in a checkpoint, those of its sidecars included; throws what is wrong with a damaged one. */
export async function readCheckpoint(reader: CheckpointReader, { keys }: ListedCheckpoint): Promise<Action[]> {
  const rows: unknown[] = []
  for (const key of keys) rows.push(...(await rowsOf(reader, key)))
  for (const path of rows.flatMap(sidecarPath)) rows.push(...(await sidecarRows(reader, path)))
  return rows.map(parseAction).filter((action) => action !== null)
}

async function rowsOf({ store, table, duckdb }: CheckpointReader, key: string): Promise<readonly unknown[]> {
  if (key.endsWith('.json')) {
    const body = await readTableFile(store, table, encodeURI(key.slice(table.length + 1)))
    const lines = Buffer.from(body).toString('utf8').split('\n')
    return lines.filter((line) => line.trim() !== '').map(parseJson)
  }
  const path = await store.localFile(key)
  return duckdb.withConnection((connection) => knownRows(connection, path))
}

async function sidecarRows({ store, table, duckdb }: CheckpointReader, path: string): Promise<readonly unknown[]> {
  const file = await localPath(store, `${table}/_delta_log/_sidecars`, path)
  return duckdb.withConnection((connection) => knownRows(connection, file))
}

function sidecarPath(row: unknown): string[] {
  const { sidecar } = row as { sidecar?: { path?: unknown } | null }
  return typeof sidecar?.path === 'string' ? [sidecar.path] : []
}

/** Kinds of actions that a checkpoint can have and that mean something to us. */
const known: ReadonlySet<string> = new Set([
  'txn',
  'add',
  'remove',
  'metaData',
  'protocol',
  'domainMetadata',
  'sidecar',
])

/** Rows with the columns and fields that we know only: others may be many times as large. */
async function knownRows(connection: Connection, path: string): Promise<readonly unknown[]> {
  const source = `read_parquet(${literal(path)})`
  const { names, types } = await connection.describe(`SELECT * FROM ${source}`)
  const columns = names.flatMap((name, i) => (known.has(name) ? [knownFields(name, types[i]!)] : []))
  if (columns.length === 0) return []
  return connection.rows(`SELECT ${columns.join(', ')} FROM ${source}`)
}

function knownFields(column: string, type: DuckdbType): string {
  const name = identifier(column)
  const all = type.entryNames ?? []
  const kept = all.filter((field) => !field.endsWith('_parsed') && field !== 'stats')
  const fields = kept.map((field) => `${identifier(field)} := ${name}.${identifier(field)}`)
  const stats = statistics(name, type)
  if (stats !== null) fields.push(`stats := ${stats}`)
  return `CASE WHEN ${name} IS NULL THEN NULL ELSE struct_pack(${fields.join(', ')}) END AS ${name}`
}

/** Statistics as the log has them, or the count of rows alone where they were left as a struct only. */
function statistics(column: string, { entryNames = [], entryTypes = [] }: DuckdbType): string | null {
  const parsed = entryTypes[entryNames.indexOf('stats_parsed')]?.entryNames ?? []
  const count = `CASE WHEN ${column}.stats_parsed.numRecords IS NULL THEN NULL ELSE json_object('numRecords', ${column}.stats_parsed.numRecords)::VARCHAR END`
  const alternatives = [
    ...(entryNames.includes('stats') ? [`${column}.stats`] : []),
    ...(parsed.includes('numRecords') ? [count] : []),
  ]
  return alternatives.length === 0 ? null : `coalesce(${alternatives.join(', ')})`
}
