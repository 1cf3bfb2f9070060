import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CommitOutcome } from '../../engine/contracts.ts'
import { localStore } from '../storage/local.ts'
import { readEntries } from './history.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import type { MergeMode, OverwriteMode, TableSinkOptions } from './sink.ts'
import { liveFiles } from './tables.testing.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

const overwrite: OverwriteMode = { mode: 'overwrite' }
const only2026: OverwriteMode = { mode: 'overwrite', replaceWhere: { year: 2026 } }

/** Commits queries one after another, each as the next range of a pipeline. */
function writer(path: string, options: Partial<TableSinkOptions>, pipeline = 'p') {
  const sink = lake.sink(path, options)
  let next = 0n
  return async (query: string | null): Promise<CommitOutcome> =>
    sink.commit({ ...batch(next, ++next, query === null ? [] : await lake.stage(query)), pipeline })
}

async function texts(path: string): Promise<unknown> {
  const [row] = await lake.rows(path, `list(id || coalesce(t, '') ORDER BY id) AS all`)
  return row?.all
}

test('the rows of a batch take the place of all before, with their position in one entry', async () => {
  const write = writer('all', { write: overwrite })
  expect(await write(`SELECT range AS id, 'a' AS t FROM range(3)`)).toMatchObject({
    written: { rows: 3, filesReplaced: 0 },
  })
  expect(await write(`SELECT range + 2 AS id, 'b' AS t FROM range(2)`)).toMatchObject({
    written: { rows: 2, filesReplaced: 1 },
  })
  expect(await texts('all')).toEqual(['2b', '3b'])
  const [entry] = await readEntries(lake.table('all'), 1n, 2n)
  expect(entry!.actions.map((action) => Object.keys(action)[0]).sort()).toEqual(['add', 'commitInfo', 'remove', 'txn'])
  const info = entry!.actions.flatMap((action) => ('commitInfo' in action ? [action.commitInfo] : []))[0]
  expect(info).toMatchObject({ operation: 'WRITE', operationParameters: { mode: 'Overwrite' }, isBlindAppend: false })
  await write(null)
  expect((await liveFiles(lake.table('all'))).size).toBe(0)
})

test('a replayed batch is fenced and replaces nothing', async () => {
  await writer('fenced', { write: overwrite })(`SELECT 1 AS id, 'a' AS t`)
  const again = await writer('fenced', { write: overwrite })(`SELECT 2 AS id, 'b' AS t`)
  expect(again.kind).toBe('fenced')
  expect(await texts('fenced')).toEqual(['1a'])
})

test('the change feed says what went and what came, rows behind deletion vectors left out', async () => {
  const merge: MergeMode = { mode: 'merge', key: ['id'], newer: ['v'], deleteWhen: 'gone' }
  const options = { changeFeed: true, deletionVectors: true, marking: { mostShare: 1, leastBytes: 0n } }
  const merging = writer('fed', { ...options, write: merge }, 'merging')
  await merging('SELECT range AS id, 0 AS v, range::VARCHAR AS t, false AS gone FROM range(4)')
  await merging(`SELECT range AS id, 1 AS v, '' AS t, true AS gone FROM range(2)`)
  await writer('fed', { write: overwrite })(`SELECT 9::BIGINT AS id, 2 AS v, 'new' AS t`)
  const source = lake.source('fed', { changeFeed: true })
  const [[sourcePartition, end]] = [...(await source.latest())] as [[string, bigint]]
  const input = await source.files({ sourcePartition, start: 2n, end }, lake.dir)
  const rows = await lake.inputRows(input, `id || _change_type AS r`)
  expect(rows.map(({ r }) => r).sort()).toEqual(['2delete', '3delete', '9insert'])
})

test('only the partitions that are named are replaced; rows of others fail the batch', async () => {
  const rows = `SELECT range AS id, 2024 + range % 3 AS year, 'a' AS t FROM range(6)`
  await writer('some', { partitionBy: ['year'] }, 'first')(rows)
  const write = writer('some', { write: only2026 })
  expect(await write(`SELECT 10::BIGINT AS id, 2026::BIGINT AS year, 'b' AS t`)).toMatchObject({
    written: { rows: 1, filesReplaced: 1 },
  })
  expect(await texts('some')).toEqual(['0a', '1a', '3a', '4a', '10b'])
  await expect(
    writer('some', { write: only2026 }, 'astray')(`SELECT 11::BIGINT AS id, 2025::BIGINT AS year`),
  ).rejects.toMatchObject({
    code: 'CONSTRAINT_VIOLATED',
    message: expect.stringContaining(`1 row breaks its replaceWhere (year = '2026'), one of them with year 2025`),
  })
  await write(null)
  expect(await texts('some')).toEqual(['0a', '1a', '3a', '4a'])
})

test('rows without a value in a partition column are replaced by null', async () => {
  await writer(
    'nulls',
    { partitionBy: ['p'] },
    'first',
  )(`SELECT * FROM (VALUES (1, 'x', 'a'), (2, NULL, 'a')) v(id, p, t)`)
  const write = writer('nulls', { write: { mode: 'overwrite', replaceWhere: { p: null } } })
  await write(`SELECT 3 AS id, '' AS p, 'b' AS t`)
  expect(await texts('nulls')).toEqual(['1a', '3b'])
})

test('what another writer adds meanwhile is a conflict where it would be replaced, and none elsewhere', async () => {
  for (const [year, expected] of [
    [2026, ['9b']],
    [2025, ['1a', '9b']],
  ] as const) {
    const path = `beside${year}`
    await writer(path, { partitionBy: ['year'] }, 'first')(`SELECT 0::BIGINT AS id, 2026::BIGINT AS year, 'a' AS t`)
    const stale = (await lake.table(path).snapshot())!
    await writer(path, {}, 'other')(`SELECT 1::BIGINT AS id, ${year}::BIGINT AS year, 'a' AS t`)
    const table = lake.table(path)
    let looked = 0
    const snapshot = async () => (looked++ === 0 ? stale : table.snapshot())
    const write = writer(path, { write: only2026, table: { ...table, snapshot } })
    expect(await write(`SELECT 9::BIGINT AS id, 2026::BIGINT AS year, 'b' AS t`)).toMatchObject({ kind: 'committed' })
    expect(looked).toBe(year === 2026 ? 2 : 1) // replaced, too, once it was seen; or never in the way
    expect(await texts(path)).toEqual(expected)
  }
})

test('what is no partition of the table cannot be replaced', async () => {
  await writer('wrong', { partitionBy: ['at', 'n'] }, 'first')(`SELECT 1 AS id, now() AS at, 1 AS n`)
  const where = { id: 1, at: '2026-01-01', n: 'x' }
  await expect(
    writer('wrong', { write: { mode: 'overwrite', replaceWhere: where } })('SELECT 1 AS id'),
  ).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    problems: [
      'table wrong: replaceWhere: id is no partition column (they are at, n)',
      'table wrong: replaceWhere: at is of a type that is not looked for by value',
      'table wrong: replaceWhere: "x" is no value of n',
    ],
  })
})
