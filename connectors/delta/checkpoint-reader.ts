/** Log checkpoints of every kind, read through DuckDB (PROTOCOL.md, "Checkpoints", "Sidecar Files"). */
import type { ObjectStore } from '../../engine/contracts.ts'
import { type Connection, type Duckdb, type DuckdbType, identifier, parquetRows } from '../../engine/duckdb.ts'
import type { Action, AddFile, RemoveFile } from './actions.ts'
import { localPath, readKey } from './data-location.ts'
import { parseJson } from './int64-json.ts'
import type { ListedCheckpoint } from './log-listing.ts'
import { MalformedAction, parseAction, partitionValues } from './parse-action.ts'

/** What log checkpoints are read with. */
export interface CheckpointReader {
  readonly store: ObjectStore
  readonly table: string
  readonly duckdb: Duckdb
}

/** The actions in a checkpoint, those of its sidecars included; throws what is wrong with a damaged one. */
export async function readCheckpoint(reader: CheckpointReader, { keys }: ListedCheckpoint): Promise<Action[]> {
  const actions: Action[] = []
  const sidecars: string[] = []
  for (const key of keys)
    if (key.endsWith('.json')) readJson(await readKey(reader.store, key), actions, sidecars)
    else await readParquet(reader, await reader.store.localFile(key), actions, sidecars)
  for (const path of sidecars)
    await readParquet(reader, await localPath(reader.store, sidecarFolder(reader), path), actions, [])
  return actions
}

function sidecarFolder({ table }: CheckpointReader): string {
  return `${table}/_delta_log/_sidecars`
}

function readJson(body: Uint8Array, actions: Action[], sidecars: string[]): void {
  const lines = Buffer.from(body).toString('utf8').split('\n')
  for (const line of lines) if (line.trim() !== '') take(parseJson(line), actions, sidecars)
}

function take(row: unknown, actions: Action[], sidecars: string[]): void {
  const { sidecar } = row as { sidecar?: { path?: unknown } | null }
  if (typeof sidecar?.path === 'string') sidecars.push(sidecar.path)
  const action = parseAction(row)
  if (action !== null) actions.push(action)
}

/** Kinds of actions beside files of data that a checkpoint can have and that mean something to us. */
const few = ['txn', 'metaData', 'protocol', 'domainMetadata', 'sidecar']

/** Columns and fields that we do not know are not read: they may be many times as large. */
async function readParquet(
  { duckdb }: CheckpointReader,
  path: string,
  actions: Action[],
  sidecars: string[],
): Promise<void> {
  const source = parquetRows([path])
  await duckdb.withConnection(async (connection) => {
    const { names, types } = await connection.describe(`SELECT * FROM ${source}`)
    const typeOf = new Map(names.map((name, i) => [name, types[i]!]))
    const others = few.filter((name) => typeOf.has(name))
    if (others.length > 0) {
      const columns = others.map((name) => knownFields(name, typeOf.get(name)!))
      const present = others.map((name) => `${identifier(name)} IS NOT NULL`).join(' OR ')
      const rows = await connection.rows(`SELECT ${columns.join(', ')} FROM ${source} WHERE ${present}`)
      for (const row of rows) take(row, actions, sidecars)
    }
    await readFiles(connection, source, { column: 'add', type: typeOf.get('add') }, actions)
    await readFiles(connection, source, { column: 'remove', type: typeOf.get('remove') }, actions)
  })
}

function knownFields(column: string, type: DuckdbType): string {
  const name = identifier(column)
  const fields = (type.entryNames ?? []).map((field) => `${identifier(field)} := ${name}.${identifier(field)}`)
  return `CASE WHEN ${name} IS NULL THEN NULL ELSE struct_pack(${fields.join(', ')}) END AS ${name}`
}

interface FileColumn {
  readonly column: 'add' | 'remove'
  /** Undefined: there is none. */
  readonly type: DuckdbType | undefined
}

/** Of files there may be millions: they are read column by column, and become what is kept of them at once. */
async function readFiles(
  connection: Connection,
  source: string,
  { column, type }: FileColumn,
  actions: Action[],
): Promise<void> {
  if (type === undefined) return
  const name = identifier(column)
  const fields = type.entryNames ?? []
  const plain = (field: string) => (fields.includes(field) ? `${name}.${identifier(field)}` : 'NULL')
  const json = (field: string) => `CAST(to_json(${plain(field)}) AS VARCHAR)`
  const map = (field: string) =>
    fields.includes(field) ? `CASE WHEN cardinality(${plain(field)}) > 0 THEN ${json(field)} END` : 'NULL'
  const shared = [plain('path'), plain('dataChange'), map('partitionValues'), plain('size'), json('deletionVector')]
  const own =
    column === 'add'
      ? [plain('modificationTime'), statistics(name, type) ?? 'NULL', map('tags')]
      : [plain('deletionTimestamp'), plain('extendedFileMetadata')]
  const query = `SELECT ${[...shared, ...own].join(', ')} FROM ${source} WHERE ${name} IS NOT NULL`
  for await (const columns of connection.chunks(query))
    for (let row = 0; row < columns[0]!.length; row++) {
      const value = (index: number) => columns[index]![row]
      actions.push(column === 'add' ? { add: addOf(value) } : { remove: removeOf(value) })
    }
}

type Value = (index: number) => unknown

const noPartition: AddFile['partitionValues'] = {}

function addOf(value: Value): AddFile {
  const [path, dataChange, size, modified] = [value(0), value(1), value(3), value(5)]
  if (typeof path !== 'string' || typeof size !== 'bigint' || typeof modified !== 'bigint')
    throw new MalformedAction('add lacks its path, size or modificationTime')
  const add = {
    path,
    partitionValues: partitionOf(value(2)),
    size,
    modificationTime: modified,
    dataChange: dataChange === true,
  }
  const [vector, stats, tags] = [value(4), value(6), value(7)]
  const counted = typeof stats === 'string' ? { ...add, stats } : add
  if (typeof vector !== 'string' && typeof tags !== 'string') return counted
  // what few files have is read as the log spells it
  const more = { ...counted, tags: objectIn(tags), deletionVector: objectIn(vector) }
  return (parseAction({ add: more }) as { add: AddFile }).add
}

function removeOf(value: Value): RemoveFile {
  const remove = {
    path: value(0),
    dataChange: value(1),
    partitionValues: objectIn(value(2)),
    size: value(3),
    deletionVector: objectIn(value(4)),
    deletionTimestamp: value(5),
    extendedFileMetadata: value(6),
  }
  return (parseAction({ remove }) as { remove: RemoveFile }).remove
}

function partitionOf(json: unknown): AddFile['partitionValues'] {
  return partitionValues(objectIn(json)) ?? noPartition
}

function objectIn(json: unknown): unknown {
  return typeof json === 'string' ? parseJson(json) : undefined
}

/**
 * Statistics as the log has them. Where they were left as a struct only, what of it has the same text in the log, or the
 * count of rows alone where that is no JSON.
 */
function statistics(column: string, { entryNames = [], entryTypes = [] }: DuckdbType): string | null {
  const parsed = entryTypes[entryNames.indexOf('stats_parsed')]?.entryNames ?? []
  const whole = `CAST(to_json(${column}.stats_parsed) AS VARCHAR)`
  const count = `json_object('numRecords', ${column}.stats_parsed.numRecords)::VARCHAR`
  const struct = `CASE WHEN ${column}.stats_parsed.numRecords IS NULL THEN NULL WHEN json_valid(${whole}) THEN ${whole} ELSE ${count} END`
  const alternatives = [
    ...(entryNames.includes('stats') ? [`${column}.stats`] : []),
    ...(parsed.includes('numRecords') ? [struct] : []),
  ]
  return alternatives.length === 0 ? null : `coalesce(${alternatives.join(', ')})`
}
