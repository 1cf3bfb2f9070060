import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemIds } from '../../engine/clock.ts'
import type { StageInput, StageResult, Step } from '../../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'
import * as o from '../index.ts'
import { stageOf } from './bench.testing.ts'
import { relationalExecutor } from './executor.ts'
import { cutIntoParts, type Segment } from './segments.ts'

const { col } = o

/** Rows of 60 MB and more, in row groups that are too wide to be taken up together, for a database of 96 MB. */
const limitBytes = 96 * 2 ** 20
let dir = ''
let duckdb: Duckdb
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-parts-'))
  duckdb = await openDuckdb({ memoryLimitBytes: limitBytes, threads: 2, tempDir: join(dir, 'spill') })
})
afterAll(async () => {
  await duckdb.close()
  await rm(dir, { recursive: true, force: true })
})

/** The rows of a query for every number below `count`, which it calls `i`. */
async function writeRows(count: number, query: string, name: string): Promise<ParquetFile> {
  const large = await openDuckdb({ memoryLimitBytes: 2 ** 30, threads: 1, tempDir: join(dir, 'spill') })
  const path = (part: number | string) => join(dir, `${name}-${part}.parquet`)
  const most = Math.ceil(count / 40) // a row group is never smaller than what its writer is handed at once
  try {
    return await large.withConnection(async (connection) => {
      const parts: string[] = []
      for (let from = 0; from < count; from += most) {
        const some = `SELECT * FROM (${query}) WHERE i >= ${from} AND i < ${Math.min(from + most, count)}`
        parts.push((await copyToParquet(connection, some, path(from))).path)
      }
      const paths = parts.map((part) => `'${part}'`).join(', ')
      const all = `SELECT * EXCLUDE (i) FROM read_parquet([${paths}])`
      return await copyToParquet(connection, all, path('all'), { rowGroupBytes: 2 ** 23 })
    })
  } finally {
    await large.close()
  }
}

async function run(steps: readonly Step[], input: StageInput, outputs?: readonly string[]): Promise<StageResult> {
  const stagingDir = join(dir, systemIds.uuid())
  await mkdir(stagingDir)
  return relationalExecutor({ duckdb: async () => duckdb, ids: systemIds }).run({
    pipeline: 'test',
    stage: stageOf(steps, ['source'], outputs),
    inputs: new Map([['source', input]]),
    stagingDir,
    limits: { maxRecords: 1e6, maxBytes: 1e9, maxAgeMs: 1e6 },
    signal: new AbortController().signal,
  })
}

const rowsIn = (files: readonly ParquetFile[] = []) => files.reduce((sum, { rows }) => sum + rows, 0)

/** Text that compresses no better than a document does. */
const text = (bytes: number, seed: string) =>
  `(SELECT string_agg(md5(${seed} || '/' || x), '') FROM range(${Math.ceil(bytes / 32)}) t(x))`

const steps = [
  o.parse('document', {
    from: 'value',
    path: '$.doc',
    columns: { id: 'long', title: 'string', text: 'string' },
    keep: ['key', 'offset'],
  }),
  o.latestByKey('latest', { key: ['key'], order: ['offset'] }),
  o.select('row', { key: col('key'), title: col('title'), text: col('text') }),
]

test.each([
  ['1,200 documents of 50 KB in a field that nobody reads', 1200, 50_000, 'ignored'],
  ['3,000 texts of 20 KB', 3000, 20_000, 'text'],
  ['60 documents of 1 MB', 60, 1_000_000, 'text'],
  ['12 documents of 5 MB', 12, 5_000_000, 'text'],
])('%s pass through a stage for which they are too large together', async (name, count, bytes, field) => {
  const doc = `'{"doc":{"id":' || i || ',"title":"t","${field}":"' || ${text(bytes, 'i')} || '"}}'`
  const query = `SELECT i, i % ${Math.ceil(count / 2)} AS key, i AS "offset", encode(${doc}) AS value FROM range(${count}) r(i)`
  const result = await run(steps, { kind: 'files', files: [await writeRows(count, query, name)] })
  const files = result.outputs.get('row')!
  expect([result.rowsIn, rowsIn(files)]).toEqual([count, Math.ceil(count / 2)])
  const paths = files.map(({ path }) => `'${path}'`).join(', ')
  const [found] = await duckdb.withConnection((connection) =>
    connection.rows(`SELECT count(DISTINCT key) AS keys, sum(length(text)) AS length FROM read_parquet([${paths}])`),
  )
  const length = field === 'text' ? Math.ceil(count / 2) * Math.ceil(bytes / 32) * 32 : null
  expect([Number(found!.keys), found!.length === null ? null : Number(found!.length)]).toEqual([
    Math.ceil(count / 2),
    length,
  ])
})

test('the change feed of a version of large rows becomes net changes within the same memory', async () => {
  const columns: Column[] = [
    { name: 'id', type: 'long' },
    { name: 'text', type: 'string' },
    { name: '_change_type', type: 'string' },
    { name: '_commit_version', type: 'long' },
  ]
  const query = `SELECT i, i % 1500 AS id, ${text(20_000, 'i')} AS text, CASE WHEN i < 1500 THEN 'update_preimage' ELSE 'update_postimage' END AS _change_type FROM range(3000) r(i)`
  const file = await writeRows(3000, query, 'feed')
  const files = [{ path: file.path, constants: { _commit_version: 7n } }]
  const net = [o.netChanges('net', { key: ['id'] }), o.filter('changes', o.isNotNull(col(['after', 'id'])))]
  const result = await run(net, { kind: 'table', table: { columns, files } }, ['changes'])
  expect(rowsIn(result.outputs.get('changes'))).toBe(1500)
  const paths = result.outputs.get('changes')!.map(({ path }) => `'${path}'`)
  const differing = `SELECT count(*) AS n, count(DISTINCT id) AS ids FROM read_parquet([${paths.join(', ')}]) WHERE before.id = id AND after.id = id AND before.text <> after.text`
  const [found] = await duckdb.withConnection((connection) => connection.rows(differing))
  expect([Number(found!.n), Number(found!.ids)]).toEqual([1500, 1500])
})

test('parts hold every row once, none more than the limit unless it is one row', () => {
  const file = { path: 'f', constants: {} }
  const segment = (from: number, rows: number, bytes: number): Segment => ({
    file,
    index: 0,
    from,
    rows,
    bytes,
    isFile: false,
  })
  const segments = [segment(0, 10, 100), segment(10, 4000, 400_000), segment(4010, 3, 3_000_000), segment(4013, 5, 50)]
  const parts = cutIntoParts(segments, { partBytes: 50_000, vectorBytes: 20_000 })
  const rows = parts.flat().flatMap(({ from, rows: count }) => Array.from({ length: count }, (_, i) => from + i))
  expect(rows).toEqual(Array.from({ length: 4018 }, (_, i) => i))
  for (const part of parts) {
    const bytes = part.reduce((sum, each) => sum + each.bytes, 0)
    expect(bytes <= 50_000 || part.reduce((sum, each) => sum + each.rows, 0) === 1).toBe(true)
  }
})
