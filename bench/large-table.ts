/** A table that is too large to be merged into carelessly, and rows to merge into it. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openDeltaTable } from '../connectors/delta/delta-table.ts'
import { deltaSink } from '../connectors/delta/sink.ts'
import { localStore } from '../connectors/storage/local.ts'
import { copyToParquet } from '../engine/batch/duckdb-parquet.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import { type Duckdb, literal } from '../engine/duckdb.ts'
import type { ParquetFile } from '../engine/schema.ts'

/** Path of the table in its lake. */
export const largeTable = 'titles'

const rowsPerFile = 100_000

/** Merges that a table is measured with: how many rows, and which. */
export const merges = {
  'clustered 1000': { rows: 1000, id: (files: number) => `${Math.floor(files / 2) * rowsPerFile} + i` },
  'random 1000': { rows: 1000, id: (files: number) => `(i * 7919 * 7919) % ${files * rowsPerFile}` },
  'random 100000': { rows: 100_000, id: (files: number) => `(i * 7919) % ${files * rowsPerFile}` },
} as const

export type MergeName = keyof typeof merges

/** The parts of an opened lake that writing needs. */
export function openLake(dir: string, duckdb: Duckdb) {
  const stagingDir = join(dir, 'staging')
  mkdirSync(stagingDir, { recursive: true })
  const store = localStore(join(dir, 'lake'))
  const parts = { store, duckdb: async () => duckdb, clock: systemClock, ids: systemIds, stagingDir }
  const table = openDeltaTable({ ...parts, path: largeTable })
  return { ...parts, table }
}

/** Makes the table: a batch for each file, ordered by `id`. With deletion vectors, merges need not write files anew. */
export async function makeLargeTable(
  dir: string,
  duckdb: Duckdb,
  { files, deletionVectors }: { readonly files: number; readonly deletionVectors: boolean },
): Promise<void> {
  const lake = openLake(dir, duckdb)
  const sink = deltaSink({ ...lake, write: { mode: 'append' }, changeFeed: false, deletionVectors })
  for (let i = 0; i < files; i++) {
    const path = join(lake.stagingDir, `${systemIds.uuid()}.parquet`)
    const query = rowsSql(`${i * rowsPerFile} + i`, rowsPerFile, '2026-01-01')
    const file = await duckdb.withConnection((connection) => copyToParquet(connection, query, path))
    await sink.commit(batchOf('load', i, [file]))
  }
  await sink.close()
}

/** Rows to merge, all newer than those of the table, as a local file. */
export function mergeRows(name: MergeName, files: number, path: string, duckdb: Duckdb): Promise<ParquetFile> {
  const { rows, id } = merges[name]
  return duckdb.withConnection((connection) => copyToParquet(connection, rowsSql(id(files), rows, '2026-02-01'), path))
}

/** A batch of rows, the `n`th of its pipeline. */
export function batchOf(pipeline: string, n: number, files: readonly ParquetFile[]) {
  const [start, end] = [BigInt(n), BigInt(n + 1)]
  return {
    pipeline,
    txnId: systemIds.uuid(),
    fingerprint: pipeline,
    ranges: [{ sourcePartition: 's/0', start, end }],
    initial: new Map([['s/0', 0n]]),
    outputs: new Map([['rows', files]]),
    columns: new Map(),
    signal: new AbortController().signal,
  }
}

function rowsSql(id: string, rows: number, day: string): string {
  const ts = `CAST(${literal(day)} AS TIMESTAMPTZ) + to_seconds(i)`
  return `SELECT CAST(${id} AS BIGINT) AS id, ${ts} AS ts, 'The ' || md5(CAST(${id} AS VARCHAR))[:16] AS title, (i * 37 % 100000) / 1000.0::DOUBLE AS popularity, CAST(i % 5000 AS BIGINT) AS votes FROM range(${rows}) t(i)`
}
