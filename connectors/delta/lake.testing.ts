/** A lake in a temporary folder, for tests: real files, real DuckDB, rows staged from SQL. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemClock, systemIds } from '../../engine/clock.ts'
import type { ObjectStore, Range, Sink, SinkCommit, TableInput, TableSource } from '../../engine/contracts.ts'
import { type Duckdb, openDuckdb, type Row } from '../../engine/duckdb.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { openDeltaTable } from './delta-table.ts'
import { assertLakeKeepsRules } from './lint/lint-lake.ts'
import { type LocalFile, selectFiles, selectTable } from './read.ts'
import { deltaSink, type TableSinkOptions } from './sink.ts'
import { deltaSource } from './source.ts'
import type { DeltaTable } from './table.ts'

export interface TestLake {
  readonly dir: string
  readonly store: ObjectStore
  readonly duckdb: Duckdb
  /** The table as a process sees it that opens it now. */
  table(path: string): DeltaTable
  /** Resolves when nothing is written beside commits any more. */
  settled(): Promise<void>
  sink(path: string, options?: Partial<TableSinkOptions>): Sink
  source(path: string, options: { readonly changeFeed: boolean }): TableSource
  /** Stages the rows of a query; no file for none. */
  stage(query: string): Promise<ParquetFile[]>
  query(sql: string): Promise<Row[]>
  /** Rows of `SELECT <select> FROM <the table>`, now or at a version. */
  rows(path: string, select: string, version?: bigint): Promise<Row[]>
  /** Rows of `SELECT <select> FROM <what a source gave>`. */
  inputRows(input: TableInput, select: string): Promise<Row[]>
  /** Removes everything. Fails if a log breaks a rule of the protocol: every test file holds what it wrote against them. */
  close(): Promise<void>
}

/** @param openStore the store under a folder: which one is the test's choice */
export async function openTestLake(openStore: (rootDir: string) => ObjectStore): Promise<TestLake> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-lake-'))
  const stagingDir = join(dir, 'staging')
  mkdirSync(stagingDir)
  const store = openStore(join(dir, 'lake'))
  const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 30, threads: 1, tempDir: join(dir, 'spill') })
  const parts = { store, duckdb: async () => duckdb, clock: systemClock, ids: systemIds, stagingDir }
  const tables: DeltaTable[] = []
  const table = (path: string) => {
    const opened = openDeltaTable({ ...parts, path })
    tables.push(opened)
    return opened
  }
  const settled = async () => {
    for (const each of tables) await each.settled()
  }
  const query = (sql: string) => duckdb.withConnection((connection) => connection.rows(sql))
  return {
    dir,
    store,
    duckdb,
    table,
    settled,
    sink: (path, options = {}) =>
      deltaSink({ ...parts, table: table(path), write: { mode: 'append' }, changeFeed: false, ...options }),
    source: (path, { changeFeed }) => deltaSource({ ...parts, table: table(path), changeFeed, pipeline: 'reader' }),
    async stage(sql) {
      const path = join(stagingDir, `${systemIds.uuid()}.parquet`)
      const file = await duckdb.withConnection((connection) => copyToParquet(connection, sql, path))
      return file.rows === 0 ? [] : [file]
    },
    query,
    async rows(path, select, version) {
      const snapshot = await table(path).snapshot(version)
      if (snapshot === null) return []
      return query(
        `SELECT ${select} FROM (${await selectTable({ snapshot, store, tablePath: path, duckdb: parts.duckdb })}) AS t`,
      )
    },
    inputRows: (input, select) =>
      query(`SELECT ${select} FROM (${selectFiles({ columns: input.columns, files: input.files.map(asLocal) })}) AS t`),
    async close() {
      await settled()
      try {
        await assertLakeKeepsRules({ store, duckdb: async () => duckdb })
      } finally {
        await duckdb.close()
        rmSync(dir, { recursive: true })
      }
    },
  }
}

function asLocal({ path, constants }: TableInput['files'][number]): LocalFile {
  const texts = Object.entries(constants).map(([name, value]) => [name, value === null ? null : String(value)] as const)
  return { path, constants: Object.fromEntries(texts) }
}

/** What a pipeline called `p` commits: the range `[start, end)` of the source partition `s/0`. */
export function batch(start: bigint, end: bigint, files: readonly ParquetFile[]): SinkCommit {
  const ranges: Range[] = [{ sourcePartition: 's/0', start, end }]
  return {
    pipeline: 'p',
    txnId: systemIds.uuid(),
    fingerprint: 'f1',
    ranges,
    initial: new Map(),
    outputs: new Map([['rows', files]]),
    columns: new Map(),
    signal: new AbortController().signal,
  }
}
