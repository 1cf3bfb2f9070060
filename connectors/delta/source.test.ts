import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock, systemIds } from '../../engine/clock.ts'
import type { Range, TableSource } from '../../engine/contracts.ts'
import { localStore } from '../storage/local.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import { deleteRows } from './row-changes.ts'
import type { TableSinkOptions } from './sink.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

const unlimited = { maxRecords: 1e9, maxBytes: 1e12 }
const merge: Partial<TableSinkOptions> = { write: { mode: 'merge', key: ['k'], newer: ['v'] }, changeFeed: true }

/** Commits the queries as versions 0, 1, 2, ... */
async function make(path: string, queries: readonly string[], options: Partial<TableSinkOptions> = {}): Promise<void> {
  const sink = lake.sink(path, options)
  for (const [i, query] of queries.entries())
    await sink.commit(batch(BigInt(i), BigInt(i) + 1n, await lake.stage(query)))
}

async function span(source: TableSource, start: bigint, end: bigint): Promise<Range> {
  const [[sourcePartition] = ['']] = await source.latest()
  return { sourcePartition, start, end }
}

test('a table that does not exist yet has nothing to read; then it begins at its first version', async () => {
  const source = lake.source('later', { changeFeed: false })
  expect(await source.start()).toEqual(new Map())
  expect(await source.latest()).toEqual(new Map())
  await make('later', ['SELECT 1 AS id', 'SELECT 2 AS id'])
  const id = (await lake.table('later').snapshot())!.metaData.id
  expect(await source.start()).toEqual(new Map([[id, 0n]]))
  expect(await source.latest()).toEqual(new Map([[id, 2n]]))
})

test('a range gives the rows that its versions added, with the columns of its newest version', async () => {
  await make('plain', ['SELECT 1 AS id', `SELECT 2 AS id, 'x' AS t`, `SELECT 3 AS id, 'y' AS t, 1.5::DOUBLE AS d`])
  const source = lake.source('plain', { changeFeed: false })
  const rows = async (start: bigint, end: bigint) => {
    const input = await source.files(await span(source, start, end), lake.dir)
    return { columns: input.columns.map(({ name }) => name), rows: await lake.inputRows(input, '*') }
  }
  expect(await rows(0n, 1n)).toEqual({ columns: ['id'], rows: [{ id: 1 }] })
  expect((await rows(1n, 2n)).columns).toEqual(['id', 't'])
  expect(await rows(2n, 3n)).toEqual({ columns: ['id', 't', 'd'], rows: [{ id: 3, t: 'y', d: 1.5 }] })
  expect((await rows(0n, 3n)).rows).toHaveLength(3)
  expect((await rows(1n, 1n)).rows).toEqual([])
})

test('a range is cut between versions, and holds at least one', async () => {
  await make(
    'cut',
    [10, 20, 30].map((n) => `SELECT range AS id FROM range(${n})`),
  )
  const source = lake.source('cut', { changeFeed: false })
  const all = await span(source, 0n, 3n)
  expect(await source.count(all)).toBe(60)
  const ends = async (maxRecords: number) => (await source.cut(all, { ...unlimited, maxRecords })).end
  expect(await Promise.all([1, 10, 29, 30, 59, 60].map(ends))).toEqual([1n, 1n, 1n, 2n, 2n, 3n])
  expect((await source.cut(all, { ...unlimited, maxBytes: 1 })).end).toBe(1n)
  expect((await source.cut({ ...all, start: 3n }, unlimited)).end).toBe(3n)
})

test('the change feed gives inserts, images of before and after, and the version of each', async () => {
  await make(
    'feed',
    [
      'SELECT range AS k, 1 AS v FROM range(3)',
      'SELECT * FROM (VALUES (1::BIGINT, 2), (7, 2)) t(k, v)',
      'SELECT 0::BIGINT AS k, 0 AS v',
    ],
    merge,
  )
  const source = lake.source('feed', { changeFeed: true })
  const range = await span(source, 0n, 3n)
  const input = await source.files(range, lake.dir)
  expect(input.columns.map(({ name }) => name)).toEqual(['k', 'v', '_change_type', '_commit_version'])
  const rows = await lake.inputRows(input, `_commit_version || ' ' || _change_type || ' ' || k || ' ' || v AS row`)
  expect(rows.map(({ row }) => row).sort()).toEqual([
    '0 insert 0 1',
    '0 insert 1 1',
    '0 insert 2 1',
    '1 insert 7 2',
    '1 update_postimage 1 2',
    '1 update_preimage 1 1',
  ])
  expect(await source.count(range)).toBe(6)
})

test('versions that only insert write no files of the change feed', async () => {
  await make('inserts', ['SELECT 1::BIGINT AS k, 1 AS v', 'SELECT 2::BIGINT AS k, 1 AS v'], merge)
  for await (const { key } of lake.store.list('inserts/')) expect(key).not.toContain('_change_data')
})

test('a plain source refuses a version that rewrote rows, and says what to do', async () => {
  await make('rewritten', ['SELECT 1::BIGINT AS k, 1 AS v', 'SELECT 1::BIGINT AS k, 2 AS v'], merge)
  const source = lake.source('rewritten', { changeFeed: false })
  await expect(source.files(await span(source, 0n, 2n), lake.dir)).rejects.toMatchObject({
    code: 'SOURCE_READ_FAILED',
    message: expect.stringMatching(/version 1 changed or removed rows.*changeFeed: true/),
  })
})

test('a table that was made anew under the same path is another source, refused by name', async () => {
  await make('anew', ['SELECT 1 AS id'])
  const source = lake.source('anew', { changeFeed: false })
  const old = await span(source, 0n, 1n)
  await lake.settled()
  for await (const { key } of lake.store.list('anew/')) await lake.store.delete(key)
  await make('anew', ['SELECT 1 AS id', 'SELECT 2 AS id'])
  await expect(lake.source('anew', { changeFeed: false }).files(old, lake.dir)).rejects.toMatchObject({
    code: 'SOURCE_RANGE_LOST',
    message: expect.stringContaining('table anew was dropped and made anew'),
  })
})

test('a table that another engine has vacuumed is begun with its rows as they are, and followed from there', async () => {
  await make('vacuumed', ['SELECT 1 AS k, 1 AS v', 'SELECT 2 AS k, 1 AS v', 'SELECT 1 AS k, 2 AS v'], merge)
  const { id } = (await lake.table('vacuumed').snapshot())!.metaData
  const live = new Set([...(await (await lake.table('vacuumed').snapshot())!.files()).values()].map(({ path }) => path))
  for await (const { key } of lake.store.list('vacuumed/'))
    if (/\.parquet$/.test(key) && !live.has(key.slice('vacuumed/'.length))) await lake.store.delete(key)
  for (const [i, operation] of ['VACUUM START', 'VACUUM END'].entries()) {
    const line = JSON.stringify({
      commitInfo: { timestamp: 1, operation, operationParameters: {}, operationMetrics: {} },
    })
    await lake.store.putIfAbsent(`vacuumed/_delta_log/0000000000000000000${3 + i}.json`, Buffer.from(line))
  }
  const source = lake.source('vacuumed', { changeFeed: true })
  const all = { sourcePartition: id, start: 0n, end: 5n }
  expect(await source.cut(all, { maxRecords: 1, maxBytes: 1 })).toEqual(all) // as a whole, or not at all
  const rows = async (start: bigint, end: bigint) => {
    const input = await source.files({ sourcePartition: id, start, end }, lake.dir)
    return (await lake.inputRows(input, `_change_type || ' ' || k || ' ' || v AS row`)).map(({ row }) => row).sort()
  }
  expect(await rows(0n, 5n)).toEqual(['insert 1 2', 'insert 2 1'])
  const sink = lake.sink('vacuumed', merge)
  await sink.commit(batch(3n, 4n, await lake.stage('SELECT 2 AS k, 3 AS v')))
  expect(await rows(5n, 6n)).toEqual(['update_postimage 2 3', 'update_preimage 2 1'])
})

test('rows that deletion vectors take out are counted as many times as they are read: once', async () => {
  await make('marked', ['SELECT range AS k FROM range(1000)'], { deletionVectors: true })
  const target = { table: lake.table('marked'), store: lake.store, clock: systemClock, ids: systemIds }
  const { signal } = new AbortController()
  const parts = {
    target,
    duckdb: async () => lake.duckdb,
    stagingDir: lake.dir,
    signal,
    marking: { mostShare: 1, leastBytes: 0n },
  }
  expect(await deleteRows({ ...parts, where: 'k < 7' })).toMatchObject({ filesMarked: 1 })
  const source = lake.source('marked', { changeFeed: true })
  const range = await span(source, 1n, 2n)
  const input = await source.files(range, lake.dir)
  expect([await source.count(range), (await lake.inputRows(input, '*')).length]).toEqual([7, 7])
})
