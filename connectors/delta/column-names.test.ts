import { afterEach, beforeEach, expect, test } from 'vitest'
import { localStore } from '../storage/local.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import type { MergeMode, TableSinkOptions } from './sink.ts'

let lake: TestLake // of its own for each test: an internal error of DuckDB leaves its database of no use
beforeEach(async () => {
  lake = await openTestLake(localStore)
})
afterEach(() => lake.close())

type Way = Partial<TableSinkOptions>
const marking: Way = { changeFeed: true, deletionVectors: true, marking: { mostShare: 1, leastBytes: 0n } }
const ways = [['writing files anew', {}] as const, ['marking rows', marking] as const]

/** Three batches of one pipeline, each newer than the one before. */
async function merge(key: readonly string[], rows: (n: number) => string, more: Way = {}) {
  const write: MergeMode = { mode: 'merge', key, newer: ['v'] }
  const sink = lake.sink('t', { write, ...more })
  for (let n = 0; n < 3; n++) await sink.commit(batch(BigInt(n), BigInt(n) + 1n, await lake.stage(rows(n))))
  return lake.rows('t', 'count(*) AS n, min(v) AS v')
}

test.each(ways)('rows are found by a column that is named filename, of texts or of numbers: %s', async (_, way) => {
  const texts = (n: number) => `SELECT 'a.csv' AS filename, 1 AS k, ${n} AS v UNION ALL SELECT 'b.csv', 2, ${n}`
  expect(await merge(['k', 'filename'], texts, way)).toEqual([{ n: 2n, v: 2 }])
  expect(await lake.rows('t', 'count(*) AS n', undefined)).toEqual([{ n: 2n }])
})

test.each(ways)('rows are found by a number that is named filename: %s', async (_, way) => {
  expect(await merge(['filename'], (n) => `SELECT 5::BIGINT AS filename, ${n} AS v`, way)).toEqual([{ n: 1n, v: 2 }])
})

test.each(ways)('a column that is named filename may change: %s', async (_, way) => {
  expect(await merge(['k'], (n) => `SELECT 1 AS k, 'f${n}' AS filename, ${n} AS v`, way)).toEqual([{ n: 1n, v: 2 }])
  expect(await lake.rows('t', 'filename')).toEqual([{ filename: 'f2' }])
})

/** What the statements of a merge name besides columns. */
const aliases = 'newer file rows changed value keys nullKeys min0 max0 t s h f r p n part text0 null0 millrace_source'

test.each([...ways, ['in partitions', {}]] as const)(
  'columns may have the names that a merge uses itself, in its key or not: %s',
  async (name, way) => {
    const columns = (from: number, step: number) =>
      aliases.split(' ').map((alias, i) => `${from} + ${step} * ${i} AS ${alias}`).join(', ') // biome-ignore format: one line
    const rows = (n: number) => `SELECT ${columns(7, 1)}, ${n} AS v UNION ALL SELECT ${columns(8, 2)}, ${n}`
    const partitionBy = name === 'in partitions' ? ['newer', 'part', 'p', 'r'] : []
    const more: Way = { ...way, ...(partitionBy.length > 0 ? { partitionBy } : {}), rules: { notNull: ['rows', 'n'] } }
    expect(await merge(aliases.split(' '), rows, more)).toEqual([{ n: 2n, v: 2 }])
    expect(await lake.rows('t', 'list(newer ORDER BY newer) AS newer, list(t ORDER BY t) AS t')).toEqual([
      { newer: [7, 8], t: [16, 26] },
    ])
    const sink = lake.sink('other', { write: { mode: 'merge', key: ['newer'], newer: ['rows', 'v'] }, ...more })
    for (let n = 0n; n < 2n; n++) await sink.commit(batch(n, n + 1n, await lake.stage(rows(Number(n)))))
    expect(await lake.rows('other', 'count(*) AS n, min(v) AS v')).toEqual([{ n: 2n, v: 1 }])
  },
)

test.each(ways)('a boolean in a key may be named newer: %s', async (_, way) => {
  const rows = (n: number) => `SELECT true AS newer, ${n} AS v UNION ALL SELECT false, ${n}`
  expect(await merge(['newer'], rows, way)).toEqual([{ n: 2n, v: 2 }])
})

test.each([['file_row_number'], ['FILE_ROW_NUMBER']])('a merge refuses a column named %s at once', async (name) => {
  await expect(merge(['k'], (n) => `SELECT 1 AS k, 7 AS ${name}, ${n} AS v`)).rejects.toMatchObject({
    code: 'SCHEMA_MISMATCH',
    message: expect.stringContaining('file_row_number'),
  })
  expect(await lake.table('t').snapshot()).toBeNull()
})

test.each([['a b'], ['x=1'], ['a,b'], ['K']])(
  'a table that is there gets no column named "%s" either',
  async (name) => {
    const sink = lake.sink('t')
    await sink.commit(batch(0n, 1n, await lake.stage('SELECT 1 AS k')))
    const more = name === 'K' ? 'SELECT 2 AS "K"' : `SELECT 1 AS k, 2 AS "${name}"`
    await expect(sink.commit(batch(1n, 2n, await lake.stage(more)))).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' })
  },
)

test('nor does a struct in it', async () => {
  const sink = lake.sink('t')
  await sink.commit(batch(0n, 1n, await lake.stage(`SELECT {'a': 1} AS s`)))
  await expect(sink.commit(batch(1n, 2n, await lake.stage(`SELECT {'a': 1, 'b c': 2} AS s`)))).rejects.toMatchObject({
    code: 'SCHEMA_MISMATCH',
    message: expect.stringContaining('s.b c'),
  })
})

test('a table with a change feed has no column of those that the feed adds, one without may', async () => {
  const rows = (n: number) => `SELECT 1 AS k, 'x' AS _change_type, ${n} AS v`
  await expect(merge(['k'], rows, { changeFeed: true })).rejects.toMatchObject({
    code: 'SCHEMA_MISMATCH',
    message: expect.stringContaining('_change_type'),
  })
  expect(await merge(['k'], rows)).toEqual([{ n: 1n, v: 2 }])
})

test.each([
  ['silver/movies', 'silver/movies/x'],
  ['silver/movies/x', 'silver/movies'],
  ['silver', 'silver/movies/deep/x'],
])('beside table %s none is made at %s, nothing of which is left', async (first, second) => {
  const rows = () => lake.stage('SELECT 1 AS id')
  await lake.sink(first, {}).commit(batch(0n, 1n, await rows()))
  await expect(lake.sink(second, {}).commit(batch(0n, 1n, await rows()))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('would lie inside table'),
  })
  expect(await lake.rows(first, 'id')).toEqual([{ id: 1 }])
  await lake.sink(`${first}x`, {}).commit(batch(0n, 1n, await rows()))
})
