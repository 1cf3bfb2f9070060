import { readdirSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ObjectStore } from '../../engine/contracts.ts'
import { localStore } from '../storage/local.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import type { TableSinkOptions } from './sink.ts'
import { openVacuuming } from './vacuuming.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

const minute = 60_000
const write: TableSinkOptions['write'] = { mode: 'merge', key: ['k'], newer: ['v'] }

/** A stream of a commit a minute into a table, whose files are dated by the stream's clock. */
function stream(path: string, options: Partial<TableSinkOptions> = {}) {
  const root = join(lake.dir, 'lake')
  let nowMs = Date.now()
  const clock = { nowMs: () => nowMs, sleep: async () => {} }
  const dated = (key: string) => utimesSync(join(root, key), nowMs / 1000, nowMs / 1000)
  const store: ObjectStore = {
    ...lake.store,
    async putFile(key, localPath) {
      await lake.store.putFile(key, localPath)
      dated(key)
    },
    async putIfAbsent(key, body) {
      const created = await lake.store.putIfAbsent(key, body)
      if (created) dated(key)
      return created
    },
    async put(key, body) {
      await lake.store.put(key, body)
      dated(key)
    },
  }
  const failures: unknown[] = []
  const sink = lake.sink(path, {
    ...{ write, store, clock, changeFeed: true, deletionVectors: true, vacuum: true },
    retention: { ms: 15 * minute, adopted: false },
    onUpkeepFailed: (error) => failures.push(error),
    ...options,
  })
  let next = 0n
  return {
    failures,
    clock,
    async commit(query: string): Promise<void> {
      const outcome = await sink.commit(batch(next, next + 1n, await lake.stage(query)))
      expect(outcome.kind).toBe('committed')
      await sink.close() // what goes on beside batches is done
      next += 1n
      nowMs += minute
    },
  }
}

function dataFiles(path: string): { name: string; bytes: number }[] {
  const dir = join(lake.dir, 'lake', path)
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(parquet|bin)$/.test(name) && !name.startsWith('_delta_log'))
    .map((name) => ({ name, bytes: statSync(join(dir, name)).size }))
}

const update = (i: number) => `SELECT (range * 7 + ${i}) % 500 AS k, ${i} AS v, 'text ' || ${i} AS text FROM range(40)`

test('a stream deletes what is past the retention by itself, and every version within it can be read', async () => {
  const { commit, failures } = stream('flow')
  await commit(`SELECT range AS k, 0 AS v, 'first' AS text FROM range(500)`)
  const [most, sums] = [[] as number[], [] as unknown[]]
  for (let i = 1; i <= 60; i++) {
    await commit(update(i))
    sums[i] = await lake.rows('flow', 'count(*) AS n, sum(v) AS s')
    most.push(dataFiles('flow').length)
  }
  expect(failures).toEqual([])
  // a version adds a file or two, one of changes and one of vectors, and the vacuum comes every fourth minute
  expect(Math.max(...most.slice(30))).toBeLessThan(4 * 22)
  expect(Math.max(...most.slice(45))).toBeLessThanOrEqual(Math.max(...most.slice(20, 45)) + 4)
  for (let i = 48; i <= 60; i++)
    expect(await lake.rows('flow', 'count(*) AS n, sum(v) AS s', BigInt(i + 1))).toEqual(sums[i])
})

test('what a reader has not read stays however long it is, and goes when it has read it', async () => {
  const { commit } = stream('followed')
  await commit(update(0))
  const source = lake.source('followed', { changeFeed: true })
  const [[sourcePartition] = ['']] = await source.latest()
  await source.files({ sourcePartition, start: 0n, end: 1n }, lake.dir)
  await source.commitOffsets(new Map([[sourcePartition, 1n]]))
  for (let i = 1; i <= 40; i++) await commit(update(i))
  const [[, end] = ['', 0n]] = await source.latest()
  const behind = dataFiles('followed').length
  const input = await source.files({ sourcePartition, start: 1n, end }, lake.dir)
  expect(await lake.inputRows(input, "count(*) FILTER (_change_type = 'update_postimage') > 100 AS read")).toEqual([
    { read: true },
  ])
  await source.commitOffsets(new Map([[sourcePartition, end]]))
  for (let i = 41; i <= 46; i++) await commit(update(i))
  expect(dataFiles('followed').length).toBeLessThan(behind * 0.75)
})

test('a vacuum that fails is told, and the batch stands', async () => {
  const told: unknown[] = []
  const vacuuming = openVacuuming({
    ...{ table: { ...lake.table('flow'), snapshot: () => Promise.reject(new Error('no answer')) }, store: lake.store },
    clock: { nowMs: Date.now, sleep: async () => {} },
    ids: { uuid: () => 'x', random: () => 0 },
    onUpkeepFailed: (error) => told.push(error),
  })
  vacuuming.committed()
  await vacuuming.settled()
  expect(told).toMatchObject([{ message: 'no answer' }])
})

test('a table has the retention that it was made with, until a definition names another', async () => {
  const kept = async () => (await lake.table('kept').snapshot())!.metaData.configuration
  const retention = (minutes: number, adopted: boolean) => ({ retention: { ms: minutes * minute, adopted } })
  const common = { write, changeFeed: true }
  await lake.sink('kept', { ...common, ...retention(15, false) }).commit(batch(0n, 1n, await lake.stage(update(0))))
  expect(await kept()).toMatchObject({
    'delta.deletedFileRetentionDuration': 'interval 15 minutes',
    'delta.logRetentionDuration': 'interval 1 hour',
  })
  await lake.sink('kept', { ...common, ...retention(90, false) }).commit(batch(1n, 2n, await lake.stage(update(1))))
  expect((await kept())['delta.deletedFileRetentionDuration']).toBe('interval 15 minutes')
  await lake.sink('kept', { ...common, ...retention(90, true) }).commit(batch(2n, 3n, await lake.stage(update(2))))
  expect(await kept()).toMatchObject({
    'delta.deletedFileRetentionDuration': 'interval 90 minutes',
    'delta.logRetentionDuration': 'interval 90 minutes',
    'delta.enableChangeDataFeed': 'true',
  })
})

test('deletion vectors that a table is only made with are not asked of one that is there', async () => {
  const protocol = async (path: string) => (await lake.table(path).snapshot())!.protocol.minReaderVersion
  await lake.sink('without', { write }).commit(batch(0n, 1n, await lake.stage(update(0))))
  await lake.sink('without', { write, deletionVectors: 'if-new' }).commit(batch(1n, 2n, await lake.stage(update(1))))
  expect(await protocol('without')).toBe(1)
  await lake.sink('with', { write, deletionVectors: 'if-new' }).commit(batch(0n, 1n, await lake.stage(update(0))))
  expect(await protocol('with')).toBe(3)
})
