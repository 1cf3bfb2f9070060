/** Classic log checkpoints in one Parquet file (PROTOCOL.md, "Checkpoints"): written and read through DuckDB. */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ObjectStore } from '../../engine/contracts.ts'
import { type Connection, type Duckdb, type DuckdbType, identifier, literal } from '../../engine/duckdb.ts'
import type { Action } from './actions.ts'
import { printJson } from './int64-json.ts'
import { writeLines } from './json-lines.ts'
import { checkpointKey } from './log-listing.ts'
import { parseAction } from './parse-action.ts'
import type { TableState } from './replay.ts'
import { retentionMs } from './retention.ts'

const map = 'MAP(VARCHAR, VARCHAR)'

/** Columns of the checkpoint and their types: what readers expect, in the protocol's order. */
const columns: Readonly<Record<string, string>> = {
  txn: 'STRUCT(appId VARCHAR, version BIGINT, lastUpdated BIGINT)',
  add: `STRUCT(path VARCHAR, partitionValues ${map}, size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR, tags ${map})`,
  remove: `STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, extendedFileMetadata BOOLEAN, partitionValues ${map}, size BIGINT)`,
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

/**
 * Writes the checkpoint of a state; returns the text of the hint at it, or null if the version has one already. The
 * file appears whole or not at all, and an existing one is left alone: every writer's checkpoint of a version holds the
 * same state.
 */
export async function writeCheckpoint(writer: CheckpointWriter, state: TableState): Promise<Uint8Array | null> {
  const { store, table, stagingDir, name } = writer
  const lines = join(stagingDir, `${name}.checkpoint.json`)
  const parquet = join(stagingDir, `${name}.checkpoint.parquet`)
  try {
    const written = await writeLines(lines, checkpointActions(state, writer.nowMs))
    const source = jsonSource(lines, Math.max(written.longestBytes, leastBufferBytes))
    await writer.duckdb.withConnection((connection) => convert(connection, source, parquet))
    const body = await readFile(parquet)
    if (!(await store.putIfAbsent(checkpointKey(table, state.version), body))) return null
    const hint = {
      version: state.version,
      size: written.lines,
      sizeInBytes: body.length,
      numOfAddFiles: state.files.size,
    }
    return Buffer.from(printJson(hint))
  } finally {
    await rm(lines, { force: true })
    await rm(parquet, { force: true })
  }
}

/** Everything that a reader needs of the versions so far, expired tombstones left out. */
function* checkpointActions(state: TableState, nowMs: number): Generator<Action> {
  yield { protocol: state.protocol }
  yield { metaData: state.metaData }
  for (const txn of state.txns.values()) yield { txn }
  const oldest = BigInt(Math.floor(nowMs)) - retentionMs(state.metaData)
  for (const remove of state.tombstones.values())
    if ((remove.deletionTimestamp ?? 0n) > oldest) yield { remove: { ...remove, dataChange: false } }
  for (const add of state.files.values()) yield { add: { ...add, dataChange: false } }
}

function jsonSource(lines: string, maxLineBytes: number): string {
  const types = Object.entries(columns).map(([name, type]) => `${name}: ${literal(type)}`)
  const options = `format = 'newline_delimited', columns = {${types.join(', ')}}, maximum_object_size = ${maxLineBytes}`
  return `read_json(${literal(lines)}, ${options})`
}

async function convert(connection: Connection, source: string, parquet: string): Promise<void> {
  await connection.run(`COPY (SELECT * FROM ${source}) TO ${literal(parquet)} (FORMAT parquet, COMPRESSION snappy)`)
}

/** What log checkpoints are read with. */
export interface CheckpointReader {
  readonly store: ObjectStore
  readonly table: string
  readonly duckdb: Duckdb
}

/** The actions in a classic checkpoint; throws what DuckDB or {@link parseAction} says of a damaged one. */
export async function readCheckpoint(reader: CheckpointReader, version: bigint): Promise<Action[]> {
  const path = await reader.store.localFile(checkpointKey(reader.table, version))
  const rows = await reader.duckdb.withConnection((connection) => knownRows(connection, path))
  return rows.map(parseAction).filter((action) => action !== null)
}

/** Rows with the columns and fields that we know only: others may be many times as large. */
async function knownRows(connection: Connection, path: string): Promise<readonly unknown[]> {
  const source = `read_parquet(${literal(path)})`
  const { names, types } = await connection.describe(`SELECT * FROM ${source}`)
  const known = names.flatMap((name, i) => (name in columns ? [knownFields(name, types[i]!)] : []))
  if (known.length === 0) return []
  return connection.rows(`SELECT ${known.join(', ')} FROM ${source}`)
}

function knownFields(column: string, type: DuckdbType): string {
  const kept = (type.entryNames ?? []).filter((field) => !field.endsWith('_parsed'))
  const fields = kept.map((field) => `${identifier(field)} := ${identifier(column)}.${identifier(field)}`)
  const name = identifier(column)
  return `CASE WHEN ${name} IS NULL THEN NULL ELSE struct_pack(${fields.join(', ')}) END AS ${name}`
}
