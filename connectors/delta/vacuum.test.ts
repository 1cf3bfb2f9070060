import { existsSync, mkdirSync, readdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemIds } from '../../engine/clock.ts'
import type { Range, TableSource } from '../../engine/contracts.ts'
import { localStore } from '../storage/local.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import { optimizeTable } from './optimize.ts'
import { forgetReader } from './readers.ts'
import type { TableSinkOptions } from './sink.ts'
import { type VacuumOptions, vacuumTable } from './vacuum.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

const week = 7 * 86_400_000
const later = { nowMs: () => Date.now() + week + 60_000, sleep: async () => {} }
const signal = new AbortController().signal

/** Files are dated by a clock that agrees with that of the vacuum, unless a test says otherwise. */
function vacuum(path: string, more: Partial<VacuumOptions> = {}) {
  const { clock = later } = more
  const parts = { table: lake.table(path), store: lake.store, clock, ids: systemIds }
  return vacuumTable({ ...parts, storeNowMs: async () => clock.nowMs(), force: false, dryRun: false, signal, ...more })
}

/** Names of the files below a table, but for those of its log and its readers. */
function filesOf(path: string): string[] {
  const all = readdirSync(join(lake.dir, 'lake', path), { recursive: true, encoding: 'utf8' })
  return all.filter((name) => /\.(parquet|bin)$/.test(name) && !name.startsWith('_delta_log'))
}

async function make(path: string, queries: readonly string[], options: Partial<TableSinkOptions> = {}): Promise<void> {
  const sink = lake.sink(path, options)
  for (const [i, query] of queries.entries())
    await sink.commit(batch(BigInt(i), BigInt(i) + 1n, await lake.stage(query)))
}

const versions = [1, 2, 3].map((v) => `SELECT range AS k, ${v} AS v FROM range(10)`)
const merge: Partial<TableSinkOptions> = { write: { mode: 'merge', key: ['k'], newer: ['v'] }, changeFeed: true }

async function span(source: TableSource, start: bigint): Promise<Range> {
  const [[sourcePartition, end] = ['', 0n]] = await source.latest()
  return { sourcePartition, start, end }
}

const all = 'sum(v) AS s, count(*) AS n'

test('what versions within the retention need stays; a dry run tells the same and deletes nothing', async () => {
  await make('merged', versions, merge)
  const before = filesOf('merged')
  expect(before).toHaveLength(5) // three of data, two of changes
  const now = { nowMs: Date.now, sleep: async () => {} }
  expect(await vacuum('merged', { clock: now })).toMatchObject({ files: 0 })
  expect(await vacuum('merged', { dryRun: true })).toMatchObject({ files: 4, keptForReaders: 0 })
  expect(filesOf('merged')).toEqual(before)
  expect((await lake.table('merged').snapshot())!.version).toBe(2n)
  expect(await vacuum('merged')).toMatchObject({ files: 4 })
  expect(filesOf('merged')).toHaveLength(1)
  expect(await lake.rows('merged', all)).toEqual([{ s: 30n, n: 10n }])
  expect(await vacuum('merged')).toMatchObject({ files: 0 })
})

test('deletion vectors go with the versions that they belong to, and the live one stays', async () => {
  const marks = versions.map((query, i) => (i === 0 ? query : query.replace('range(10)', `range(${i})`)))
  await make('marked', marks, { ...merge, deletionVectors: true, marking: { mostShare: 1, leastBytes: 0n } })
  const rows = await lake.rows('marked', all)
  expect(filesOf('marked').filter((name) => name.endsWith('.bin'))).toHaveLength(2)
  await vacuum('marked')
  expect(filesOf('marked').filter((name) => name.endsWith('.bin'))).toHaveLength(1)
  expect(await lake.rows('marked', all)).toEqual(rows)
})

test('what never was part of the table goes once it is old; hidden folders and other tables below stay', async () => {
  await make('parent', ['SELECT 1 AS k, 1 AS v'])
  await make('elsewhere', ['SELECT 1 AS k, 1 AS v'])
  renameSync(join(lake.dir, 'lake', 'elsewhere'), join(lake.dir, 'lake', 'parent', 'child')) // sinks refuse to make such a table
  const old = (name: string) => {
    const path = join(lake.dir, 'lake', 'parent', name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, 'x')
    utimesSync(path, 0, 0)
    return path
  }
  const [orphan, hidden, notes] = [old('orphan.parquet'), old('_spark_metadata/0'), old('notes/readme.txt')]
  const young = join(lake.dir, 'lake', 'parent', 'under-way.parquet')
  writeFileSync(young, 'x')
  const now = { nowMs: Date.now, sleep: async () => {} }
  expect(await vacuum('parent', { clock: now })).toMatchObject({ files: 2 })
  expect([orphan, hidden, notes, young].map(existsSync)).toEqual([false, true, false, true])
  expect(await lake.rows('parent/child', all)).toEqual([{ s: 1n, n: 1n }])
})

test('what a reader has still to read stays until it has read it, or is forgotten', async () => {
  await make('read', versions, merge)
  const source = lake.source('read', { changeFeed: true })
  await source.files({ ...(await span(source, 0n)), end: 1n }, lake.dir)
  const { sourcePartition } = await span(source, 0n)
  await source.commitOffsets(new Map([[sourcePartition, 1n]]))
  expect(await vacuum('read', { dryRun: true })).toMatchObject({
    files: 0,
    keptForReaders: 4, // changes of two versions, and the data that they replaced
    behind: [{ pipeline: 'reader', version: 1n }],
  })
  await vacuum('read')
  const input = await source.files(await span(source, 1n), lake.dir)
  expect(await lake.inputRows(input, 'count(*) AS n')).toEqual([{ n: 40n }])
  await source.commitOffsets(new Map([[sourcePartition, 2n]]))
  expect(await vacuum('read', { dryRun: true })).toMatchObject({ files: 2, keptForReaders: 2 })
  await forgetReader(lake.store, 'read', 'reader')
  expect(await vacuum('read')).toMatchObject({ files: 4, keptForReaders: 0 })
})

test('who begins to read after a vacuum begins with the rows that are there, and goes on with changes', async () => {
  await make('late', versions, merge)
  await vacuum('late')
  const source = lake.source('late', { changeFeed: true })
  const whole = await span(source, 0n)
  expect(whole.end).toBe(5n) // two of them tell of the vacuum
  expect(await source.count(whole)).toBe(10)
  expect(await source.cut(whole, { maxRecords: 1, maxBytes: 1 })).toEqual(whole)
  const first = await source.files(whole, lake.dir)
  expect(
    await lake.inputRows(
      first,
      "count(*) FILTER (_change_type = 'insert') AS n, max(_commit_version) AS c, sum(v) AS s",
    ),
  ).toEqual([{ n: 10n, c: 4n, s: 30n }])
  await lake.sink('late', merge).commit(batch(3n, 4n, await lake.stage('SELECT 1::BIGINT AS k, 9 AS v')))
  const next = await source.files({ ...(await span(source, whole.end)) }, lake.dir)
  expect(await lake.inputRows(next, 'count(*) AS n, max(v) AS v')).toEqual([{ n: 2n, v: 9 }])
})

test('rows that were appended, written together and vacuumed come once to a new reader', async () => {
  await make('appended', versions)
  await optimizeTable({
    target: { table: lake.table('appended'), store: lake.store, clock: later, ids: systemIds },
    duckdb: async () => lake.duckdb,
    stagingDir: lake.dir,
    targetBytes: 2n ** 20n,
    order: null,
    signal,
  })
  await vacuum('appended', { clock: { ...later, nowMs: () => later.nowMs() + week } })
  expect(filesOf('appended')).toHaveLength(1)
  const source = lake.source('appended', { changeFeed: false })
  const input = await source.files(await span(source, 0n), lake.dir)
  expect(await lake.inputRows(input, all)).toEqual([{ s: 60n, n: 30n }])
})

test('a retention shorter than the table promises is refused, unless it is forced', async () => {
  await make('short', versions, merge)
  const hour = 3_600_000
  await expect(vacuum('short', { retentionMs: hour })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/168 hours, and 1 are less/),
  })
  const inTwoHours = { nowMs: () => Date.now() + 2 * hour, sleep: async () => {} }
  expect(await vacuum('short', { retentionMs: hour, clock: inTwoHours, force: true })).toMatchObject({ files: 4 })
})

const forced: Partial<VacuumOptions> = { retentionMs: 0, force: true }

test('a batch under way loses no file, however short the retention; files of versions that are gone go at once', async () => {
  await make('beside', versions, merge)
  const [parquet, changes] = ['beside/part-under-way.parquet', 'beside/_change_data/cdc-under-way.parquet']
  const vector = 'beside/deletion_vector_under-way.bin'
  for (const key of [parquet, changes, vector]) await lake.store.put(key, new Uint8Array(1))
  const minutes = (n: number): Partial<VacuumOptions> => ({
    ...forced,
    clock: { nowMs: () => Date.now() + n * 60_000, sleep: async () => {} },
  })
  expect(await vacuum('beside', minutes(0.1))).toMatchObject({ files: 4 })
  const left = [parquet, changes, vector].map((key) => key.slice('beside/'.length)).sort()
  expect(
    filesOf('beside')
      .filter((name) => name.includes('under-way'))
      .sort(),
  ).toEqual(left)
  expect(await vacuum('beside', minutes(59))).toMatchObject({ files: 0 })
  expect(await vacuum('beside', minutes(61))).toMatchObject({ files: 3 })
  expect(await lake.rows('beside', all)).toEqual([{ s: 30n, n: 10n }])
})

test('files are dated by the clock of the store: one of ours that is ahead deletes nothing too early', async () => {
  await make('ahead', ['SELECT 1 AS k, 1 AS v'])
  await lake.store.put('ahead/under-way.parquet', new Uint8Array(1))
  const { storeNowMs: _ours, ...options } = { ...forced, storeNowMs: undefined }
  const parts = { table: lake.table('ahead'), store: lake.store, clock: later, ids: systemIds }
  expect(await vacuumTable({ ...parts, ...options, force: true, dryRun: false, signal })).toMatchObject({ files: 0 })
  expect(filesOf('ahead')).toContain('under-way.parquet')
})

test('a file that was long in the making is young when it comes to its place', async () => {
  const [staged] = await lake.stage('SELECT 1 AS k')
  utimesSync(staged!.path, 0, 0)
  await lake.store.putFile('made/slowly.parquet', staged!.path)
  for await (const { modifiedMs } of lake.store.list('made/')) expect(modifiedMs).toBeGreaterThan(Date.now() - 60_000)
})

test('who begins to read while a vacuum is under way is seen by it, or begins with the rows that are there', async () => {
  await make('meeting', versions, merge)
  const source = lake.source('meeting', { changeFeed: true })
  const first = { ...(await span(source, 0n)), end: 1n }
  let looks = 0
  const store: VacuumOptions['store'] = {
    ...lake.store,
    async *list(prefix, startAfter) {
      yield* lake.store.list(prefix, startAfter)
      // the reader comes when the vacuum has looked who reads
      if (prefix.includes('_millrace_readers') && looks++ === 0) await source.files(first, lake.dir)
    },
  }
  expect(await vacuum('meeting', { store })).toMatchObject({ files: 0, keptForReaders: 4 })
  const rest = await source.files(await span(source, 1n), lake.dir)
  expect(await lake.inputRows(rest, 'count(*) AS n')).toEqual([{ n: 40n }])
})

test('a log that was cleaned up to where a reader has not come is no reason to fail', async () => {
  const twelve = Array.from({ length: 12 }, (_, v) => `SELECT range AS k, ${v} AS v FROM range(10)`)
  await make('cleaned', twelve, merge)
  await lake.settled()
  await lake.store.put('cleaned/_millrace_readers/damaged.json', Buffer.from('{'))
  for (let v = 0; v < 10; v++) await lake.store.delete(`cleaned/_delta_log/${String(v).padStart(20, '0')}.json`)
  expect(await vacuum('cleaned', { dryRun: true })).toMatchObject({ files: 18, keptForReaders: 4 })
})
