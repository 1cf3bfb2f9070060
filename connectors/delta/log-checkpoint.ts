/** Classic log checkpoints in one Parquet file (PROTOCOL.md, "Checkpoints"), written through DuckDB. */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ObjectStore } from '../../engine/contracts.ts'
import {
  type Connection,
  type Duckdb,
  exactPaths,
  identifier,
  literal,
  literals,
  parquetRows,
} from '../../engine/duckdb.ts'
import type { Action } from './actions.ts'
import { type CheckpointStatistics, checkpointStatistics } from './checkpoint-statistics.ts'
import { printJson } from './int64-json.ts'
import { writeLines } from './json-lines.ts'
import { checkpointKey } from './log-listing.ts'
import type { TableContents, TableState } from './replay.ts'
import { retentionMs } from './retention.ts'

const map = 'MAP(VARCHAR, VARCHAR)'

const vector =
  'deletionVector STRUCT(storageType VARCHAR, pathOrInlineDv VARCHAR, "offset" INTEGER, sizeInBytes INTEGER, cardinality BIGINT)'

/** Fields of `add`, as the log has them. */
const addFields: readonly string[] = [
  'path VARCHAR',
  `partitionValues ${map}`,
  'size BIGINT',
  'modificationTime BIGINT',
  'dataChange BOOLEAN',
  'stats VARCHAR',
  `tags ${map}`,
  vector,
]

/** Columns of the checkpoint and their types: what readers expect, in the protocol's order. */
const columns: Readonly<Record<string, string>> = {
  txn: 'STRUCT(appId VARCHAR, version BIGINT, lastUpdated BIGINT)',
  add: `STRUCT(${addFields.join(', ')})`,
  remove: `STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, extendedFileMetadata BOOLEAN, partitionValues ${map}, size BIGINT, ${vector})`,
  metaData: `STRUCT(id VARCHAR, name VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, options ${map}), schemaString VARCHAR, partitionColumns VARCHAR[], configuration ${map}, createdTime BIGINT)`,
  protocol:
    'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER, readerFeatures VARCHAR[], writerFeatures VARCHAR[])',
}

/** Least size of the buffers that DuckDB takes twice per thread. */
const leastBufferBytes = 2 ** 21

/** DuckDB holds a few row groups at once: with ones of its own size it takes three times the memory for a million files. */
const rowGroupSize = 20_480

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

/** A checkpoint that the next one may be made from. */
export interface EarlierCheckpoint {
  readonly version: bigint
  /** Files that were added or removed since, as they are now. */
  readonly since: TableContents
}

/** Where the next checkpoint's files come from. */
export interface CheckpointContents {
  readonly earlier: EarlierCheckpoint | null
  /** Asked for where the earlier one is of no use. */
  readonly all: () => Promise<TableContents>
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
  { earlier, all }: CheckpointContents,
): Promise<Uint8Array | null> {
  const { store, table, stagingDir, name, duckdb } = writer
  const lines = join(stagingDir, `${name}.checkpoint.json`)
  const parquet = join(stagingDir, `${name}.checkpoint.parquet`)
  try {
    const oldest = BigInt(Math.floor(writer.nowMs)) - retentionMs(state.metaData)
    const statistics = checkpointStatistics(state)
    const wanted = { earlier, oldest, statistics }
    const base = await duckdb.withConnection((connection) => takenOver(connection, writer, wanted))
    const actions = actionsOf(state, base === null ? await all() : earlier!.since)
    const written = await writeLines(lines, unexpired(actions, oldest))
    const source = jsonSource(lines, Math.max(written.longestBytes, leastBufferBytes))
    const query = `${withStatistics(source, statistics)}${base === null ? '' : ` UNION ALL (${base})`}`
    const size = await duckdb.withConnection((connection) => copy(connection, query, parquet))
    const body = await readFile(parquet)
    if (!(await store.putIfAbsent(checkpointKey(table, state.version), body))) return null
    const count = state.totals === null ? {} : { numOfAddFiles: state.totals.files }
    return Buffer.from(printJson({ version: state.version, size, sizeInBytes: body.length, ...count }))
  } finally {
    await rm(lines, { force: true })
    await rm(parquet, { force: true })
  }
}

/** What a checkpoint tells of a table and of some or all of its files. */
function* actionsOf({ protocol, metaData, txns }: TableState, { files, tombstones }: TableContents): Generator<Action> {
  yield { protocol }
  yield { metaData }
  for (const txn of txns.values()) yield { txn }
  for (const remove of tombstones.values()) yield { remove: { ...remove, dataChange: false } }
  for (const add of files.values()) yield { add: { ...add, dataChange: false } }
}

/** Tombstones whose retention is over are left out. */
function* unexpired(actions: Iterable<Action>, oldest: bigint): Generator<Action> {
  for (const action of actions)
    if (!('remove' in action) || (action.remove.deletionTimestamp ?? 0n) > oldest) yield action
}

/** SQL of the logical file of a row, as `logicalFile` spells it. */
const keyOfRow = `regexp_replace(coalesce("add".path, "remove".path), '^file:/*', '/') || coalesce(' ' || coalesce("add".deletionVector, "remove".deletionVector).storageType || coalesce("add".deletionVector, "remove".deletionVector).pathOrInlineDv || coalesce('@' || coalesce("add".deletionVector, "remove".deletionVector)."offset", ''), '')`

/** The rows of a source in the columns' order, with the statistics that the table asks for. */
function withStatistics(source: string, { asText, fields }: CheckpointStatistics): string {
  if (asText && fields.length === 0) return `SELECT * FROM ${source}`
  const names = addFields.map((field) => field.slice(0, field.indexOf(' ')))
  const kept = names.map((name) => `${name} := ${name === 'stats' && !asText ? 'NULL::VARCHAR' : `"add".${name}`}`)
  const more = fields.map(({ name, sql }) => `${name} := ${sql}`)
  const add = `CASE WHEN "add" IS NULL THEN NULL ELSE struct_pack(${[...kept, ...more].join(', ')}) END`
  return `SELECT * REPLACE (${add} AS "add") FROM ${source}`
}

interface TakingOver {
  readonly earlier: EarlierCheckpoint | null
  /** Tombstones of this time and before are left out. */
  readonly oldest: bigint
  readonly statistics: CheckpointStatistics
}

/** A query for what an earlier checkpoint still says of files; null if it is of no use for that. */
async function takenOver(
  connection: Connection,
  { store, table }: CheckpointWriter,
  { earlier, oldest, statistics }: TakingOver,
): Promise<string | null> {
  if (earlier === null) return null
  const touched = [...earlier.since.files.keys(), ...earlier.since.tombstones.keys()]
  if (touched.length > mostTouched) return null
  const path = await store.localFile(checkpointKey(table, earlier.version)).catch(() => null)
  if (path === null) return null
  const rows = `SELECT ${Object.keys(columns).map(identifier).join(', ')} FROM ${parquetRows([path])}`
  const more = statistics.fields.map(({ name, type }) => `${name} ${type}`)
  const types = { ...columns, add: `STRUCT(${[...addFields, ...more].join(', ')})` }
  const empty = Object.entries(types).map(([name, type]) => `NULL::${type} AS ${identifier(name)}`)
  const [theirs, ours] = await Promise.all([
    connection.describe(rows).catch(() => null), // without one of our columns
    connection.describe(`SELECT ${empty.join(', ')}`),
  ])
  if (JSON.stringify(theirs?.types) !== JSON.stringify(ours.types)) return null
  const kept = `"add" IS NOT NULL OR "remove".deletionTimestamp > ${oldest}`
  return `${rows} WHERE (${kept}) AND ${keyOfRow} NOT IN (SELECT unnest(${literals(touched)}::VARCHAR[]))`
}

function jsonSource(lines: string, maxLineBytes: number): string {
  const types = Object.entries(columns).map(([name, type]) => `${name}: ${literal(type)}`)
  const options = `format = 'newline_delimited', columns = {${types.join(', ')}}, maximum_object_size = ${maxLineBytes}`
  return `read_json(${exactPaths([lines])}, hive_partitioning = false, ${options})`
}

/** How many rows were written. */
async function copy(connection: Connection, query: string, parquet: string): Promise<number> {
  const options = `FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE ${rowGroupSize}`
  const [written] = await connection.rows(`COPY (${query}) TO ${literal(parquet)} (${options})`)
  return Number(written?.Count ?? 0)
}
