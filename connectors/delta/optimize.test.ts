import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock, systemIds } from '../../engine/clock.ts'
import { localStore } from '../storage/local.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import { type OptimizeOptions, optimizeTable } from './optimize.ts'
import type { MergeMode } from './sink.ts'
import { liveFiles } from './tables.testing.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

function optimize(path: string, more: Partial<OptimizeOptions> = {}) {
  return optimizeTable({
    target: { table: lake.table(path), store: lake.store, clock: systemClock, ids: systemIds },
    duckdb: async () => lake.duckdb,
    stagingDir: lake.dir,
    targetBytes: 2n ** 20n,
    sortBy: [],
    signal: new AbortController().signal,
    ...more,
  })
}

async function append(path: string, batches: number, from = 0): Promise<void> {
  const sink = lake.sink(path)
  for (let i = from; i < from + batches; i++) {
    const files = await lake.stage(`SELECT ${i} * 10 + range AS id, 'text ' || range AS text FROM range(10)`)
    await sink.commit(batch(BigInt(i), BigInt(i + 1), files))
  }
}

const all = 'count(*) AS n, count(DISTINCT id) AS ids, sum(id) AS sum'

test('small files become one; rows, positions and readers see no difference', async () => {
  await append('small', 8)
  const before = await lake.rows('small', all)
  const source = lake.source('small', { changeFeed: false })
  expect(await optimize('small')).toMatchObject({ filesBefore: 8, filesAfter: 1, conflicts: 0 })
  expect(await lake.rows('small', all)).toEqual(before)
  const snapshot = (await lake.table('small').snapshot())!
  expect((await snapshot.files()).size).toBe(1)
  expect(snapshot.txns.get('p/s/0')?.version).toBe(8n)
  const [[sourcePartition, end]] = [...(await source.latest())] as [[string, bigint]]
  const { files } = await source.files({ sourcePartition, start: 8n, end }, lake.dir)
  expect(files).toEqual([]) // nothing to read again
  expect(await optimize('small')).toMatchObject({ filesBefore: 1, filesAfter: 1, bytesRead: 0n })
  await append('small', 2, 8)
  expect(await lake.rows('small', 'count(*) AS n')).toEqual([{ n: 100n }])
})

test('files grow to the size that is asked for, and those of that size are left alone', async () => {
  await append('sized', 9)
  const sizeBytes = [...(await liveFiles(lake.table('sized'))).values()][0]!.size
  expect(await optimize('sized', { targetBytes: sizeBytes * 3n })).toMatchObject({ filesBefore: 9, filesAfter: 3 })
  expect(await optimize('sized', { targetBytes: sizeBytes })).toMatchObject({ filesAfter: 3, bytesRead: 0n })
  expect(await lake.rows('sized', 'count(DISTINCT id) AS n')).toEqual([{ n: 90n }])
})

test('rows that were deleted in place are gone from the file, and the deletion vector with them', async () => {
  const write: MergeMode = { mode: 'merge', key: ['id'], newer: ['v'], deleteWhen: 'gone' }
  const sink = lake.sink('holes', { write, deletionVectors: true, marking: { mostShare: 1, leastBytes: 0n } })
  await sink.commit(batch(0n, 1n, await lake.stage('SELECT range AS id, 0 AS v, false AS gone FROM range(100)')))
  await sink.commit(batch(1n, 2n, await lake.stage('SELECT range AS id, 1 AS v, true AS gone FROM range(30)')))
  expect(await optimize('holes')).toMatchObject({ filesBefore: 1, filesAfter: 1, conflicts: 0 })
  const [file] = (await liveFiles(lake.table('holes'))).values()
  expect(file!.deletionVector).toBeUndefined()
  expect(file!.stats).toContain('"numRecords":70')
  expect(await lake.rows('holes', all)).toEqual([{ n: 70n, ids: 70n, sum: BigInt((30 + 99) * 35) }])
  expect(await optimize('holes')).toMatchObject({ bytesRead: 0n })
})

test('sorted by a column, files hold ranges of it that do not overlap within a group', async () => {
  const sink = lake.sink('sorted')
  for (let i = 0; i < 4; i++)
    await sink.commit(
      batch(BigInt(i), BigInt(i + 1), await lake.stage(`SELECT (range * 7919 + ${i}) % 1000 AS id FROM range(100)`)),
    )
  await optimize('sorted', { sortBy: ['id'] })
  const [file] = (await liveFiles(lake.table('sorted'))).values()
  const path = await lake.store.localFile(`sorted/${file!.path}`)
  const rows = await lake.query(
    `SELECT id FROM read_parquet('${path}', file_row_number = true) ORDER BY file_row_number`,
  )
  const ids = rows.map(({ id }) => Number(id))
  expect(ids).toEqual(ids.toSorted((a, b) => a - b))
  await expect(optimize('sorted', { sortBy: ['nothing'] })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('no column nothing (it has id)'),
  })
})

test('appends and merges beside it all get in, and no row is lost or doubled', async () => {
  await append('busy', 12)
  const write: MergeMode = { mode: 'merge', key: ['id'], newer: ['v'] }
  const merging = lake.sink('busy', { write })
  const merges = async () => {
    for (let i = 0; i < 6; i++) {
      const files = await lake.stage(`SELECT range * 11 AS id, 'merged ${i}' AS text, ${i} AS v FROM range(5)`)
      const outcome = await merging.commit({ ...batch(BigInt(i), BigInt(i + 1), files), pipeline: 'merging' })
      expect(outcome.kind).toBe('committed')
    }
  }
  const optimizes = async () => {
    for (let i = 0; i < 6; i++) await optimize('busy')
  }
  await Promise.all([merges(), optimizes(), append('busy', 12, 12)])
  const rows = await lake.rows(
    'busy',
    `count(*) AS n, count(DISTINCT id) AS ids, count(*) FILTER (text = 'merged 5') AS merged`,
  )
  expect(rows).toEqual([{ n: 240n, ids: 240n, merged: 5n }])
})
