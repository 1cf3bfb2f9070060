import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { localStore } from '../storage/local.ts'
import type { AddFile } from './actions.ts'
import { chooseFiles } from './compaction.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import type { TableSinkOptions } from './sink.ts'
import { liveFiles } from './tables.testing.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

async function commit(path: string, from: number, to: number, options: Partial<TableSinkOptions>, query: string) {
  const sink = lake.sink(path, options)
  for (let i = from; i < to; i++) {
    const outcome = await sink.commit(batch(BigInt(i), BigInt(i + 1), await lake.stage(query.replaceAll('$i', `${i}`))))
    expect(outcome.kind).toBe('committed')
  }
}

const rows = `SELECT $i * 10 + range AS id, 'text' AS text FROM range(10)`

test('a stream of small files keeps them few; rows, positions and readers see no difference', async () => {
  await commit('stream', 0, 40, { compactAfter: 8 }, rows)
  const files = await liveFiles(lake.table('stream'))
  expect(files.size).toBeLessThan(16)
  expect(await lake.rows('stream', 'count(*) AS n, count(DISTINCT id) AS ids')).toEqual([{ n: 400n, ids: 400n }])
  expect((await lake.sink('stream').position('p')).position).toEqual(new Map([['s/0', 40n]]))
  const source = lake.source('stream', { changeFeed: false })
  const [[sourcePartition, end]] = [...(await source.latest())] as [[string, bigint]]
  const input = await source.files({ sourcePartition, start: 0n, end }, lake.dir)
  expect(await lake.inputRows(input, 'count(*) AS n, count(DISTINCT id) AS ids')).toEqual([{ n: 400n, ids: 400n }])
})

test('what a stream left behind is written together by the next one', async () => {
  await commit('left', 0, 9, {}, rows)
  expect((await liveFiles(lake.table('left'))).size).toBe(9)
  await commit('left', 9, 10, { compactAfter: 8 }, rows)
  expect((await liveFiles(lake.table('left'))).size).toBe(1)
})

test('files of partitions are written together apart from each other, and rows that were marked are gone', async () => {
  const options: Partial<TableSinkOptions> = {
    write: { mode: 'merge', key: ['id'], newer: ['v'] },
    partitionBy: ['p'],
    deletionVectors: true,
    marking: { mostShare: 1, leastBytes: 0n },
    compactAfter: 6,
  }
  const query = `SELECT range * 3 + $i % 3 AS id, $i AS v, 'p' || $i % 3 AS p FROM range(10)`
  await commit('parted', 0, 24, options, query)
  expect((await liveFiles(lake.table('parted'))).size).toBeLessThan(18)
  const counts = `count(*) AS n, count(DISTINCT id) AS ids, min(v) AS least, count(DISTINCT p) AS parts`
  expect(await lake.rows('parted', counts)).toEqual([{ n: 30n, ids: 30n, least: 21, parts: 3n }])
})

test('a compaction that fails is told, and the batch stands', async () => {
  await commit('failing', 0, 7, {}, rows)
  const told: unknown[] = []
  const options = {
    compactAfter: 8,
    duckdb: () => Promise.reject(new Error('no memory')),
    onUpkeepFailed: (error: unknown) => told.push(error),
  }
  await commit('failing', 7, 8, options, rows)
  expect(told).toMatchObject([{ message: 'no memory' }])
  expect(await lake.rows('failing', 'count(*) AS n')).toEqual([{ n: 80n }])
})

test('every row is written anew a few times at most, however long a stream goes on', () => {
  const afterFiles = 32
  fc.assert(
    fc.property(fc.integer({ min: 10_000, max: 6_000_000 }), (fileBytes) => {
      const size = BigInt(fileBytes)
      let files: AddFile[] = []
      let rewritten = 0n
      const commits = 4000
      for (let i = 0; i < commits; i++) {
        files.push({ path: `f${i}`, partitionValues: {}, size, modificationTime: 0n, dataChange: true })
        const chosen = chooseFiles(files, afterFiles)
        if (chosen === null) continue
        const together = chosen.reduce((sum, file) => sum + file.size, 0n)
        expect(together).toBeLessThanOrEqual(2n ** 27n)
        rewritten += together
        files = files.filter((file) => !chosen.includes(file))
        files.push({ ...chosen[0]!, path: `c${i}`, size: together })
      }
      if (fileBytes >= 2 ** 22) expect(rewritten).toBe(0n)
      expect(Number(rewritten) / (fileBytes * commits)).toBeLessThan(3)
      expect(files.length).toBeLessThan(3 * afterFiles + (commits * fileBytes) / 2 ** 22 + 1)
    }),
    { numRuns: 20, examples: [[131_073], [2_097_153]] },
  )
})

test.each([[1], [-1], [2.5]])('compactAfter %d makes no sense', (compactAfter) => {
  expect(() => lake.sink('t', { compactAfter })).toThrow(/compactAfter must be/)
})
