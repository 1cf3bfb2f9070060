/** Classic log checkpoints in one Parquet file (PROTOCOL.md, "Checkpoints"), written through DuckDB. */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ObjectStore } from '../../engine/contracts.ts'
import { type Connection, type Duckdb, identifier, literal, literals } from '../../engine/duckdb.ts'
import type { Action } from './actions.ts'
import { printJson } from './int64-json.ts'
import { writeLines } from './json-lines.ts'
import { checkpointKey } from './log-listing.ts'
import type { TableState } from './replay.ts'
import { retentionMs } from './retention.ts'

const map = 'MAP(VARCHAR, VARCHAR)'

const vector =
  'deletionVector STRUCT(storageType VARCHAR, pathOrInlineDv VARCHAR, "offset" INTEGER, sizeInBytes INTEGER, cardinality BIGINT)'

/** Columns of the checkpoint and their types: what readers expect, in the protocol's order. */
const columns: Readonly<Record<string, string>> = {
  txn: 'STRUCT(appId VARCHAR, version BIGINT, lastUpdated BIGINT)',
  add: `STRUCT(path VARCHAR, partitionValues ${map}, size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR, tags ${map}, ${vector})`,
  remove: `STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, extendedFileMetadata BOOLEAN, partitionValues ${map}, size BIGINT, ${vector})`,
  metaData: `STRUCT(id VARCHAR, name VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, options ${map}), schemaString VARCHAR, partitionColumns VARCHAR[], configuration ${map}, createdTime BIGINT)`,
  protocol:
    'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER, readerFeatures VARCHAR[], writerFeatures VARCHAR[])',
}

/** Least size of the buffers that DuckDB takes twice per thread. */
const leastBufferBytes = 2 ** 21

/** What log checkpoints are written with. */
export interface CheckpointWriter {
  readonly store: ObjectStore
  readonly table: string
  readonly duckdb: Duckdb
  /** Local folder for the file before it is published. */
  readonly stagingDir: string
  /** Name for this one in staging. */
  readonly name: string
  readonly nowMs: number
}

/** A checkpoint that the next one may be made from, and the logical files that were added or removed since. */
export interface EarlierCheckpoint {
  readonly version: bigint
  readonly touched: ReadonlySet<string>
}

/** More than this is not looked up file by file. */
const mostTouched = 50_000

/**
 * Writes the checkpoint of a state; returns the text of the hint at it, or null if the version has one already. The
 * file appears whole or not at all, and an existing one is left alone: every writer's checkpoint of a version holds the
 * same state. With an earlier checkpoint of ours, files that nobody touched since are taken over from it by DuckDB, without
 * passing through this thread.
 */
export async function writeCheckpoint(
  writer: CheckpointWriter,
  state: TableState,
  earlier: EarlierCheckpoint | null,
): Promise<Uint8Array | null> {
  const { store, table, stagingDir, name, duckdb } = writer
  const lines = join(stagingDir, `${name}.checkpoint.json`)
  const parquet = join(stagingDir, `${name}.checkpoint.parquet`)
  try {
    const oldest = BigInt(Math.floor(writer.nowMs)) - retentionMs(state.metaData)
    const base = await duckdb.withConnection((connection) => takenOver(connection, writer, { earlier, oldest }))
    const actions = base === null ? allActions(state) : newActions(state, earlier!.touched)
    const written = await writeLines(lines, unexpired(actions, oldest))
    const source = jsonSource(lines, Math.max(written.longestBytes, leastBufferBytes))
    const query = `SELECT * FROM ${source}${base === null ? '' : ` UNION ALL (${base})`}`
    const size = await duckdb.withConnection((connection) => copy(connection, query, parquet))
    const body = await readFile(parquet)
    if (!(await store.putIfAbsent(checkpointKey(table, state.version), body))) return null
    const hint = { version: state.version, size, sizeInBytes: body.length, numOfAddFiles: state.files.size }
    return Buffer.from(printJson(hint))
  } finally {
    await rm(lines, { force: true })
    await rm(parquet, { force: true })
  }
}

/** Everything that a reader needs of the versions so far. */
function* allActions(state: TableState): Generator<Action> {
  yield* headActions(state)
  for (const remove of state.tombstones.values()) yield { remove: { ...remove, dataChange: false } }
  for (const add of state.files.values()) yield { add: { ...add, dataChange: false } }
}

/** The same without the files that nobody touched. */
function* newActions(state: TableState, touched: ReadonlySet<string>): Generator<Action> {
  yield* headActions(state)
  for (const key of touched) {
    const [add, remove] = [state.files.get(key), state.tombstones.get(key)]
    if (add !== undefined) yield { add: { ...add, dataChange: false } }
    if (remove !== undefined) yield { remove: { ...remove, dataChange: false } }
  }
}

function* headActions(state: TableState): Generator<Action> {
  yield { protocol: state.protocol }
  yield { metaData: state.metaData }
  for (const txn of state.txns.values()) yield { txn }
}

/** Tombstones whose retention is over are left out. */
function* unexpired(actions: Iterable<Action>, oldest: bigint): Generator<Action> {
  for (const action of actions)
    if (!('remove' in action) || (action.remove.deletionTimestamp ?? 0n) > oldest) yield action
}

/** SQL of the logical file of a row, as `logicalFile` spells it. */
const keyOfRow = `regexp_replace(coalesce("add".path, "remove".path), '^file:/*', '/') || coalesce(' ' || coalesce("add".deletionVector, "remove".deletionVector).storageType || coalesce("add".deletionVector, "remove".deletionVector).pathOrInlineDv || coalesce('@' || coalesce("add".deletionVector, "remove".deletionVector)."offset", ''), '')`

/** A query for what an earlier checkpoint still says of files; null if it is of no use for that. */
async function takenOver(
  connection: Connection,
  { store, table }: CheckpointWriter,
  { earlier, oldest }: { readonly earlier: EarlierCheckpoint | null; readonly oldest: bigint },
): Promise<string | null> {
  if (earlier === null || earlier.touched.size > mostTouched) return null
  const path = await store.localFile(checkpointKey(table, earlier.version)).catch(() => null)
  if (path === null) return null
  const rows = `SELECT ${Object.keys(columns).map(identifier).join(', ')} FROM read_parquet(${literal(path)})`
  const empty = Object.entries(columns).map(([name, type]) => `NULL::${type} AS ${identifier(name)}`)
  const [theirs, ours] = await Promise.all([
    connection.describe(rows).catch(() => null), // without one of our columns
    connection.describe(`SELECT ${empty.join(', ')}`),
  ])
  if (JSON.stringify(theirs?.types) !== JSON.stringify(ours.types)) return null
  const touched = `${literals([...earlier.touched])}::VARCHAR[]`
  return `${rows} WHERE ("add" IS NOT NULL OR "remove".deletionTimestamp > ${oldest}) AND ${keyOfRow} NOT IN (SELECT unnest(${touched}))`
}

function jsonSource(lines: string, maxLineBytes: number): string {
  const types = Object.entries(columns).map(([name, type]) => `${name}: ${literal(type)}`)
  const options = `format = 'newline_delimited', columns = {${types.join(', ')}}, maximum_object_size = ${maxLineBytes}`
  return `read_json(${literal(lines)}, ${options})`
}

/** How many rows were written. */
async function copy(connection: Connection, query: string, parquet: string): Promise<number> {
  const [written] = await connection.rows(`COPY (${query}) TO ${literal(parquet)} (FORMAT parquet, COMPRESSION snappy)`)
  return Number(written?.Count ?? 0)
}
