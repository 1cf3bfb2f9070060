/** Classic log checkpoints in one Parquet file (PROTOCOL.md, "Checkpoints"), written through DuckDB. */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ObjectStore } from '../../engine/contracts.ts'
import { type Connection, type Duckdb, literal } from '../../engine/duckdb.ts'
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
