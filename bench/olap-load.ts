/**
 * Rows a second into ClickHouse: by the sink, as it compares and writes batches of Parquet files, the first time and again unchanged; and by a plain loop
 * over `@clickhouse/client` that inserts the same rows as JSONEachRow, read from the same files or, which is no load of anything, from objects that it
 * has in memory already. One JSON line.
 *
 *   node bench/olap-load.ts [--rows 300000] [--batch 100000] [--turns 2]
 *
 * Needs CLICKHOUSE_URL, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD. Works in a database of its own, dropped at the end. Figures are of the fastest turn;
 * CPU is that of this process, not of the service.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createClient } from '@clickhouse/client'
import { readConfig } from '../cli/config.ts'
import { openClickhouse, quoted } from '../connectors/clickhouse/client.ts'
import { clickhouseSink } from '../connectors/clickhouse/sink.ts'
import type { OlapOptions } from '../connectors/olap/description.ts'
import { copyToParquet } from '../engine/batch/duckdb-parquet.ts'
import { systemClock } from '../engine/clock.ts'
import { literal, openDuckdb } from '../engine/duckdb.ts'
import type { ParquetFile } from '../engine/schema.ts'
import { machineFacts } from './machine.ts'
import { rounded } from './quantile.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '300000' },
    batch: { type: 'string', default: '100000' },
    turns: { type: 'string', default: '2' },
  },
})
const [rows, batchRows, turns] = [Number(values.rows), Number(values.batch), Number(values.turns)]
const perTitle = 10
const { clickhouse: settings } = readConfig({ env: process.env })
if (settings === null) throw new Error('give CLICKHOUSE_URL, CLICKHOUSE_USER and CLICKHOUSE_PASSWORD')
const database = `millrace_bench_${process.pid}_${Date.now()}`
const server = openClickhouse(settings)
await server.run(`CREATE DATABASE ${quoted(database)}`)
const clickhouse = openClickhouse({ ...settings, database })
const plain = createClient({
  url: settings.url,
  username: settings.user,
  password: settings.password,
  database,
  request_timeout: 120_000,
})
const dir = mkdtempSync(join(tmpdir(), 'millrace-olap-load-'))
const duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 30, threads: 2, tempDir: join(dir, 'spill') })

/** Credits as the platform has them: the rows of a cast, ten a title. */
function castRows(from: number, to: number): string {
  return `SELECT 'movie' AS title_type, (i // ${perTitle})::BIGINT AS title_id, substr(md5(i::VARCHAR), 1, 24) AS credit_key,
    (hash(i) % 400000)::BIGINT AS person_id, 'Person ' || (hash(i) % 400000) AS person_name, substr(md5(i::VARCHAR), 1, 24) AS credit_id,
    'Character ' || (i % 977) || ' of title ' || (i // ${perTitle}) AS character, (i % ${perTitle})::BIGINT AS "order", (i % 4)::BIGINT AS gender,
    DATE '1895-12-28' + (hash(i) % 47000)::INTEGER AS release_date, (hash(i) % 1000) / 100 AS popularity
    FROM range(${from}, ${to}) r(i)`
}

interface Cost {
  readonly seconds: number
  readonly cpuSeconds: number
}

async function measured(work: () => Promise<void>): Promise<Cost> {
  const [startedMs, cpu] = [performance.now(), process.cpuUsage()]
  await work()
  const { user, system } = process.cpuUsage(cpu)
  return { seconds: (performance.now() - startedMs) / 1000, cpuSeconds: (user + system) / 1e6 }
}

const description: OlapOptions = {
  tables: {
    casts: {
      from: 'casts',
      key: ['title_type', 'title_id', 'credit_key'],
      owner: { title_type: 'title_type', title_id: 'title_id' },
    },
  },
  owners: 'touched',
}

async function parquet(query: string, name: string): Promise<ParquetFile> {
  return duckdb.withConnection((connection) => copyToParquet(connection, query, join(dir, `${name}.parquet`)))
}

const batches: Map<string, ParquetFile[]>[] = []
for (let from = 0; from < rows; from += batchRows) {
  const query = castRows(from, Math.min(rows, from + batchRows))
  const casts = await parquet(query, `casts-${from}`)
  const touched = await parquet(`SELECT DISTINCT title_type, title_id FROM (${query})`, `touched-${from}`)
  batches.push(
    new Map([
      ['casts', [casts]],
      ['touched', [touched]],
    ]),
  )
}

let position = 0n
async function loadBySink(wanted: 'inserted' | 'unchanged'): Promise<void> {
  const sink = clickhouseSink({
    clickhouse,
    description,
    duckdb: async () => duckdb,
    stagingDir: dir,
    clock: systemClock,
  })
  let written = 0
  for (const outputs of batches) {
    const ranges = [{ sourcePartition: 'silver', start: position, end: position + 1n }]
    const commit = { pipeline: 'bench', txnId: `t${position}`, fingerprint: 'f', ranges, initial: new Map(), outputs }
    const outcome = await sink.commit({ ...commit, columns: new Map(), signal: new AbortController().signal })
    if (outcome.kind !== 'committed') throw new Error(`a batch was ${outcome.kind}`)
    written += outcome.written[wanted] ?? 0
    position += 1n
  }
  if (written !== rows) throw new Error(`${written} rows were ${wanted}, not ${rows}`)
}

const objects = await duckdb.withConnection((connection) =>
  connection.rows(`SELECT * REPLACE (CAST(release_date AS VARCHAR) AS release_date, title_id::INTEGER AS title_id,
    person_id::INTEGER AS person_id, "order"::INTEGER AS "order", gender::INTEGER AS gender), 1 AS version FROM (${castRows(0, rows)})`),
)

async function loadByLoop(size: number): Promise<void> {
  for (let from = 0; from < objects.length; from += size)
    await plain.insert({
      table: 'plain',
      values: objects.slice(from, from + size),
      format: 'JSONEachRow',
      clickhouse_settings: { async_insert: 0 },
    })
}

/** From where the sink begins: files of Parquet. */
async function loadFilesByLoop(): Promise<void> {
  for (const outputs of batches)
    for (const { path } of outputs.get('casts')!) {
      const values = await duckdb.withConnection((connection) =>
        connection.rows(
          `SELECT * REPLACE (CAST(release_date AS VARCHAR) AS release_date, title_id::INTEGER AS title_id, person_id::INTEGER AS person_id,
             "order"::INTEGER AS "order", gender::INTEGER AS gender), 1 AS version FROM read_parquet(${literal(path)})`,
        ),
      )
      await plain.insert({ table: 'plain', values, format: 'JSONEachRow', clickhouse_settings: { async_insert: 0 } })
    }
}

async function plainTable(): Promise<void> {
  await clickhouse.run('DROP TABLE IF EXISTS plain')
  await clickhouse.run(`CREATE TABLE plain (title_type Nullable(String), title_id Nullable(Int64), credit_key Nullable(String),
    person_id Nullable(Int64), person_name Nullable(String), credit_id Nullable(String), character Nullable(String), "order" Nullable(Int64),
    gender Nullable(Int64), release_date Nullable(Date32), popularity Nullable(Float64), version UInt64)
    ENGINE = ReplacingMergeTree(version) ORDER BY (title_type, title_id, credit_key) SETTINGS allow_nullable_key = 1`)
}

async function dropOurs(): Promise<void> {
  for (const table of ['_millrace_rows_casts', '_millrace_positions'])
    await clickhouse.run(`DROP TABLE IF EXISTS ${quoted(table)}`)
  await clickhouse.run('DROP VIEW IF EXISTS casts')
  position = 0n
}

const costs: Record<'first' | 'unchanged' | 'files' | 'by10k' | 'by100k', Cost[]> = {
  first: [],
  unchanged: [],
  files: [],
  by10k: [],
  by100k: [],
}
try {
  for (let turn = 0; turn < turns; turn += 1) {
    await dropOurs()
    costs.first.push(await measured(() => loadBySink('inserted')))
    costs.unchanged.push(await measured(() => loadBySink('unchanged')))
    await plainTable()
    costs.files.push(await measured(loadFilesByLoop))
    for (const [name, size] of [
      ['by10k', 10_000],
      ['by100k', 100_000],
    ] as const) {
      await plainTable()
      costs[name].push(await measured(() => loadByLoop(size)))
    }
  }
  const figure = (of: readonly Cost[]) => {
    const { seconds, cpuSeconds } = of.reduce((best, cost) => (cost.seconds < best.seconds ? cost : best))
    return {
      rowsPerSecond: Math.round(rows / seconds),
      seconds: rounded(seconds, 2),
      cpuSeconds: rounded(cpuSeconds, 2),
    }
  }
  const { first, unchanged, files, by10k, by100k } = Object.fromEntries(
    Object.entries(costs).map(([name, of]) => [name, figure(of)]),
  )
  type Figure = ReturnType<typeof figure> | undefined
  const beside = (ours: Figure, theirs: Figure) => rounded(ours!.rowsPerSecond / theirs!.rowsPerSecond, 2)
  console.log(
    JSON.stringify({
      bench: 'load into ClickHouse',
      machine: machineFacts(),
      rows,
      batchRows,
      sink: { first, unchanged },
      plainLoop: { files, objectsBy10k: by10k, objectsBy100k: by100k },
      timesAsFast: {
        firstBesideFiles: beside(first, files),
        unchangedBesideFiles: beside(unchanged, files),
        firstBesideObjectsBy10k: beside(first, by10k),
        firstBesideObjectsBy100k: beside(first, by100k),
      },
    }),
  )
} finally {
  await server.run(`DROP DATABASE ${quoted(database)}`)
  await plain.close()
  await clickhouse.close()
  await server.close()
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
}
