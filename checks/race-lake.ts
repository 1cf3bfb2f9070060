/** The tables that a race is for. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { readConfig } from '../cli/config.ts'
import { openLake } from '../cli/lake.ts'
import { openDeltaTable } from '../connectors/delta/delta-table.ts'
import { selectTable } from '../connectors/delta/read.ts'
import { deltaSink, type MergeMode } from '../connectors/delta/sink.ts'
import { copyToParquet } from '../engine/batch/duckdb-parquet.ts'
import { systemClock as clock, systemIds as ids } from '../engine/clock.ts'
import type { SinkCommit } from '../engine/contracts.ts'
import { openDuckdb, type Row } from '../engine/duckdb.ts'

export const appended = 'race/appended'
export const merged = 'race/merged'

/** @param lake a folder or `s3://bucket/prefix` @param name of who opens it */
export async function openRaceLake(dir: string, lake: string, name: string) {
  const stagingDir = join(dir, `staging-${name}`)
  mkdirSync(stagingDir, { recursive: true })
  const { lake: settings } = readConfig({ env: { ...process.env, MILLRACE_LAKE: lake, KAFKA_BROKERS: '' } })
  const cacheDir = join(dir, `cache-${name}`)
  const opened = await openLake({ settings, lakeDir: join(dir, 'lake'), cacheDir, clock, ids })
  const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 27, threads: 1, tempDir: stagingDir })
  const parts = { store: opened.store, duckdb: async () => duckdb, clock, ids, stagingDir }
  const table = (path: string) => openDeltaTable({ ...parts, path })
  return {
    sink: (path: string, write: MergeMode | { readonly mode: 'append' }) =>
      deltaSink({ ...parts, table: table(path), write, changeFeed: false }),
    async batch(n: number, query: string): Promise<SinkCommit> {
      const path = join(stagingDir, `${ids.uuid()}.parquet`)
      const file = await duckdb.withConnection((connection) => copyToParquet(connection, query, path))
      return {
        pipeline: name,
        txnId: ids.uuid(),
        fingerprint: 'race',
        ranges: [{ sourcePartition: 's/0', start: BigInt(n), end: BigInt(n + 1) }],
        initial: new Map(),
        outputs: new Map([['rows', [file]]]),
        columns: new Map(),
        signal: new AbortController().signal,
      }
    },
    async version(path: string): Promise<bigint> {
      return (await table(path).snapshot())!.version
    },
    async rows(path: string, select: string, where = 'true'): Promise<Row[]> {
      const snapshot = (await table(path).snapshot())!
      const from = await selectTable({ snapshot, store: opened.store, tablePath: path, duckdb: async () => duckdb })
      return duckdb.withConnection((connection) =>
        connection.rows(`SELECT ${select} FROM (${from}) AS t WHERE ${where}`),
      )
    },
    async close() {
      await duckdb.close()
      opened.close()
    },
  }
}
