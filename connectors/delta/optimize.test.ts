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
    order: null,
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
  await optimize('sorted', { order: { columns: ['id'], curve: 'linear' } })
  const [file] = (await liveFiles(lake.table('sorted'))).values()
  const path = await lake.store.localFile(`sorted/${file!.path}`)
  const rows = await lake.query(
    `SELECT id FROM read_parquet('${path}', file_row_number = true) ORDER BY file_row_number`,
  )
  const ids = rows.map(({ id }) => Number(id))
  expect(ids).toEqual(ids.toSorted((a, b) => a - b))
  await expect(optimize('sorted', { order: { columns: ['nothing'], curve: 'linear' } })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('no column nothing (it has id)'),
  })
})

/** By how many files each of the columns must be looked for, on average over its values. */
async function filesPerValue(path: string, columns: readonly string[]): Promise<number[]> {
  const files = await Promise.all(
    [...(await liveFiles(lake.table(path))).values()].map((add) => lake.store.localFile(`${path}/${add.path}`)),
  )
  const averages: number[] = []
  for (const column of columns) {
    const bounds = files.map((file) => `SELECT min(${column}) AS a, max(${column}) AS b FROM read_parquet('${file}')`)
    const [row] = await lake.query(
      `SELECT avg(n) AS n FROM (SELECT v, count(*) AS n FROM range(100) t(v) JOIN (${bounds.join(' UNION ALL ')}) ON v BETWEEN a AND b GROUP BY v)`,
    )
    averages.push(Number(row!.n))
  }
  return averages
}

test('in an order, files hold the values between their neighbours; along the curve, few of every column', async () => {
  const query = `SELECT range // 100 AS x, (range * 37) % 100 AS y, hash(range)::VARCHAR AS filler FROM range(10000) ORDER BY hash(range)`
  for (const path of ['linear', 'curved']) {
    const sink = lake.sink(path)
    await sink.commit(batch(0n, 1n, await lake.stage(query)))
  }
  const [file] = (await liveFiles(lake.table('linear'))).values()
  const targetBytes = file!.size / 16n + 1n
  const before = await lake.rows('linear', 'sum(x) AS x, sum(y) AS y, count(DISTINCT filler) AS n')
  await optimize('linear', { targetBytes, order: { columns: ['x', 'y'], curve: 'linear' } })
  expect(await optimize('curved', { targetBytes, order: { columns: ['x', 'y'], curve: 'z' } })).toMatchObject({
    filesBefore: 1,
    filesAfter: 16,
  })
  for (const path of ['linear', 'curved'])
    expect(await lake.rows(path, 'sum(x) AS x, sum(y) AS y, count(DISTINCT filler) AS n')).toEqual(before)
  const [linearX, linearY] = await filesPerValue('linear', ['x', 'y'])
  expect([linearX! < 1.3, linearY! > 15]).toEqual([true, true])
  for (const average of await filesPerValue('curved', ['x', 'y'])) expect(average).toBeLessThan(5)
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
