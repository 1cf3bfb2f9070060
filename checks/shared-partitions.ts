/**
 * delta-rs adds rows to a partitioned table that we made, and we add, merge and optimize in one that it made: both have all rows
 * in the end, each with its partition's values.
 *
 *   node checks/shared-partitions.ts
 *
 * Needs DELTA_RS_PYTHON.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { batch, openTestLake } from '../connectors/delta/lake.testing.ts'
import { optimizeTable } from '../connectors/delta/optimize.ts'
import { localStore } from '../connectors/storage/local.ts'
import { systemClock, systemIds } from '../engine/clock.ts'

const { DELTA_RS_PYTHON } = process.env
if (DELTA_RS_PYTHON === undefined) throw new Error('set DELTA_RS_PYTHON')
const python = DELTA_RS_PYTHON
const lake = await openTestLake(localStore)
const partitionBy = ['name', 'day', 'at', 'price']

/** The rows that delta-rs adds, from an id on (checks/delta_rs_partitions.py). */
const rows = (first: number) => `SELECT i AS id, ['a/b', 'x y', '%20', NULL, 'ж=🎬'][1 + i % 5] AS name,
  DATE '1899-12-30' + CAST(i % 3 AS INTEGER) AS day,
  CASE WHEN i % 2 = 1 THEN TIMESTAMPTZ '1969-12-31 23:59:59.999999+00' END AS "at",
  CAST(i % 2 / 4.0 AS DECIMAL(9, 2)) AS price, 'row ' || i AS text
  FROM range(${first}, ${first + 20}) t(i)`

function deltaRs(table: string, first: number): void {
  const path = join(lake.dir, 'lake', table)
  execFileSync(python, [join(import.meta.dirname, 'delta_rs_partitions.py'), path, String(first)], { stdio: 'inherit' })
}

async function append(table: string, first: number, pipeline: string): Promise<void> {
  const outcome = await lake
    .sink(table, table === 'ours' ? { partitionBy } : {})
    .commit({ ...batch(0n, 1n, await lake.stage(rows(first))), pipeline })
  if (outcome.kind !== 'committed') throw new Error(`${table}: append was ${outcome.kind}`)
}

async function merge(table: string): Promise<void> {
  const query = `SELECT * REPLACE ('updated' AS text, 'moved' AS name) FROM (${rows(10)}) WHERE id < 15`
  const write = { mode: 'merge', key: ['id'], newer: ['text'] } as const
  const outcome = await lake.sink(table, { write }).commit({ ...batch(0n, 1n, await lake.stage(query)), pipeline: 'm' })
  if (outcome.kind !== 'committed') throw new Error(`${table}: merge was ${outcome.kind}`)
}

async function optimize(table: string): Promise<void> {
  await optimizeTable({
    target: { table: lake.table(table), store: lake.store, clock: systemClock, ids: systemIds },
    duckdb: async () => lake.duckdb,
    stagingDir: lake.dir,
    targetBytes: 2n ** 20n,
    order: null,
    signal: new AbortController().signal,
  })
}

async function check(table: string, upTo: number): Promise<void> {
  const expected = Array.from({ length: upTo / 20 }, (_, i) => `(${rows(i * 20)})`).join(' UNION ALL ')
  const merged = (id: string) => `${id} BETWEEN 10 AND 14`
  const digest = `count(*) AS n, list(row(id, name, day, "at", price, text)::VARCHAR ORDER BY id) AS rows`
  const [wanted] = await lake.query(
    `SELECT ${digest} FROM (SELECT * REPLACE (CASE WHEN ${merged('id')} THEN 'moved' ELSE name END AS name, CASE WHEN ${merged('id')} THEN 'updated' ELSE text END AS text) FROM (${expected}))`,
  )
  const [found] = await lake.rows(table, digest)
  const print = (value: unknown) => JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each))
  const fine = print(found) === print(wanted)
  console.log(`${fine ? 'ok   ' : 'WRONG'} ${table}: ${found?.n} rows of ${upTo}`)
  if (!fine) process.exitCode = 1
}

await append('ours', 0, 'a')
deltaRs('ours', 20)
await append('ours', 40, 'b')
deltaRs('theirs', 0)
await append('theirs', 20, 'a')
deltaRs('theirs', 40)
for (const table of ['ours', 'theirs']) {
  await merge(table)
  await check(table, 60)
  await optimize(table)
  deltaRs(table, 60)
  await check(table, 80)
}
await lake.close()
