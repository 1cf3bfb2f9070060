import { existsSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock, systemIds } from '../../../engine/clock.ts'
import type { CommitOutcome } from '../../../engine/contracts.ts'
import { identifier, literal } from '../../../engine/duckdb.ts'
import { localStore } from '../../storage/local.ts'
import type { AddFile } from '../actions.ts'
import { readEntries } from '../history.ts'
import { batch, openTestLake, type TestLake } from '../lake.testing.ts'
import { optimizeTable } from '../optimize.ts'
import { localDataFile, selectFiles } from '../read.ts'
import type { MergeMode, TableSinkOptions } from '../sink.ts'
import { liveFiles } from '../tables.testing.ts'
import { normalizedValue } from './partition-values.ts'
import { partitionColumns } from './partitions.testing.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

/** Commits queries one after another, each as the next range. */
function writer(path: string, options: Partial<TableSinkOptions>): (query: string | null) => Promise<CommitOutcome> {
  const sink = lake.sink(path, options)
  let next = 0n
  return async (query) => sink.commit(batch(next, ++next, query === null ? [] : await lake.stage(query)))
}

function written(outcome: CommitOutcome) {
  if (outcome.kind !== 'committed') throw new Error(`not committed: ${JSON.stringify(outcome)}`)
  return outcome.written
}

async function files(path: string): Promise<AddFile[]> {
  return [...(await liveFiles(lake.table(path))).values()]
}

/** What the feed says of versions `[start, end)`. */
async function feed(path: string, start: bigint, select: string, end?: bigint) {
  const source = lake.source(path, { changeFeed: true })
  const [[sourcePartition, newest]] = [...(await source.latest())] as [[string, bigint]]
  return lake.inputRows(await source.files({ sourcePartition, start, end: end ?? newest }, lake.dir), select)
}

const byVersion: MergeMode = { mode: 'merge', key: ['id'], newer: ['v'] }

test('files are parted: each says its values in the log, holds the other columns alone, and lies in a folder of its own', async () => {
  const write = writer('parted', { partitionBy: ['year', 'kind'] })
  const rows = `SELECT range AS id, 2020 + range % 2 AS year, CASE WHEN range % 3 > 0 THEN 'a/b' END AS kind FROM range(12)`
  expect(written(await write(rows))).toEqual({ rows: 12 })
  const found = await files('parted')
  expect(found.map(({ path }) => path.replace(/part-.*/, '')).sort()).toEqual([
    'year=2020/kind=__HIVE_DEFAULT_PARTITION__/',
    'year=2020/kind=a%252Fb/',
    'year=2021/kind=__HIVE_DEFAULT_PARTITION__/',
    'year=2021/kind=a%252Fb/',
  ])
  expect(found.find(({ path }) => path.includes('2021/kind=a'))).toMatchObject({
    partitionValues: { year: '2021', kind: 'a/b' },
    stats: '{"numRecords":4,"minValues":{"id":1},"maxValues":{"id":11},"nullCount":{"id":0}}',
  })
  const { metaData, columns } = (await lake.table('parted').snapshot())!
  expect(metaData.partitionColumns).toEqual(['year', 'kind'])
  expect(columns.map(({ name }) => name)).toEqual(['id', 'year', 'kind'])
  expect(await lake.rows('parted', 'count(*) AS n, sum(id * year) AS s, count(kind) AS kinds')).toEqual(
    await lake.query(`SELECT count(*) AS n, sum(id * year) AS s, count(kind) AS kinds FROM (${rows})`),
  )
})

test('of many partitions each is one file, and the most that there can be in a batch are told', async () => {
  await writer('many', { partitionBy: ['p'] })('SELECT range AS id, range % 400 AS p FROM range(4000)')
  expect(await files('many')).toHaveLength(400)
  expect(await lake.rows('many', 'count(DISTINCT id) AS n, sum(id % 400 - p) AS off')).toEqual([{ n: 4000n, off: 0n }])
  await expect(
    writer('most', { partitionBy: ['p'] })('SELECT range AS id, range AS p FROM range(10001)'),
  ).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('more than 10000 partitions by p (partition by a column with fewer values)'),
  })
})

const seed = Number(process.env.FC_SEED ?? Date.now() % 2 ** 31)

test(`whatever a partition column holds, rows read are rows written, and each file holds one value (seed ${seed})`, async () => {
  let tables = 0
  const property = fc.asyncProperty(partitionColumns, async ({ type, values }) => {
    const path = `values/${tables++}`
    const rows = `SELECT * FROM (VALUES ${values.map((value, i) => `(${i}, ${value})`).join(', ')}) t(id, p)`
    await writer(path, { partitionBy: ['p'] })(rows)
    const column = { name: 'p', type }
    const expected = `SELECT id, ${normalizedValue(column)} AS p FROM (${rows})`
    const columns = [{ name: 'id', type: 'integer' as const }, column]
    const parts: string[] = []
    for (const add of await files(path)) {
      const local = await localDataFile(lake.store, path, add)
      expect(await lake.query(`SELECT name FROM parquet_schema(${literal(local.path)}) OFFSET 1`)).toEqual([
        { name: 'id' },
      ])
      parts.push(selectFiles({ columns, files: [local] }))
      const [distinct] = await lake.query(`SELECT count(*) AS n FROM (SELECT DISTINCT p FROM (${parts.at(-1)}))`)
      expect(distinct).toEqual({ n: 1n })
    }
    const all = parts.map((part) => `(${part})`).join(' UNION ALL ')
    expect(await lake.query(`(${all}) EXCEPT ALL (${expected})`)).toEqual([])
    expect(await lake.query(`(${expected}) EXCEPT ALL (${all})`)).toEqual([])
    expect(
      await lake.query(`SELECT count(DISTINCT p) + (count(*) > count(p))::INTEGER AS n FROM (${expected})`),
    ).toEqual([{ n: BigInt(parts.length) }])
  })
  await fc.assert(property, { seed, numRuns: 60 })
}, 60_000)

test('values have the text that the protocol gives them', async () => {
  const columns: Record<string, readonly [sql: string, text: string | null]> = {
    s: [`''`, null],
    l: ['9223372036854775807', '9223372036854775807'],
    nan: [`'NaN'::DOUBLE`, 'NaN'],
    inf: [`'-Infinity'::FLOAT`, '-Infinity'],
    b: ['true', 'true'],
    d: [`DATE '0044-03-15'`, '0044-03-15'],
    at: [`TIMESTAMPTZ '1970-01-01 01:00:00.123456+01'`, '1970-01-01T00:00:00.123456Z'],
    ntz: [`TIMESTAMP '1970-01-01 00:00:00'`, '1970-01-01 00:00:00.000000'],
    dec: ['CAST(1.5 AS DECIMAL(38, 10))', '1.5000000000'],
    bin: [`encode('ж')`, 'ж'],
  }
  const select = Object.entries(columns).map(([name, [sql]]) => `${sql} AS ${identifier(name)}`)
  await writer('texts', { partitionBy: Object.keys(columns) })(`SELECT 1 AS id, ${select.join(', ')}`)
  const [file] = await files('texts')
  expect(file!.partitionValues).toEqual(
    Object.fromEntries(Object.entries(columns).map(([name, [, text]]) => [name, text])),
  )
})

test.each([
  [`DATE '10000-01-01'`],
  [`DATE '0044-01-01 (BC)'`],
  [`DATE 'infinity'`],
  [`TIMESTAMPTZ '-infinity'`],
  [`'\\xFF'::BLOB`],
])('%s has no text that readers know: the batch is refused', async (sql) => {
  await expect(writer('untold', { partitionBy: ['p'] })(`SELECT 1 AS id, ${sql} AS p`)).rejects.toMatchObject({
    code: 'SCHEMA_MISMATCH',
    message: expect.stringContaining('table untold: a value of partition column p has no form'),
  })
  expect(existsSync(join(lake.dir, 'lake', 'untold'))).toBe(false)
})

test('a sink that says nothing writes the partitions that are there; one that wants others is refused', async () => {
  await writer('theirs', { partitionBy: ['p'] })('SELECT 1 AS id, 2 AS p')
  const next = async (pipeline: string) => ({
    ...batch(0n, 1n, await lake.stage('SELECT 2 AS id, 3 AS p')),
    pipeline,
  })
  expect(await lake.sink('theirs').commit(await next('silent'))).toMatchObject({ kind: 'committed' })
  expect((await files('theirs')).map(({ partitionValues }) => partitionValues.p).sort()).toEqual(['2', '3'])
  for (const partitionBy of [[], ['id'], ['p', 'id']])
    await expect(lake.sink('theirs', { partitionBy }).commit(await next('other'))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/is partitioned by p, and its sink asks for .*leave partitionBy out/),
    })
})

test('what cannot be partitioned by is told at once, when the sink is opened or at the first batch', async () => {
  const columns = [
    { name: 'a', type: { kind: 'array', element: 'long' } as const },
    { name: 'b', type: 'long' as const },
  ]
  const problems = [
    'table wrong: partitionBy: a is named twice (name it once)',
    'table wrong: partitionBy: a is array<long> (choose a column that holds single values)',
    'table wrong: partitionBy: there is no column c (the columns are a, b)',
    'table wrong: partitionBy: no column is left for the files to hold (leave one out)',
  ]
  const partitionBy = ['a', 'a', 'c', 'b']
  expect(() => lake.sink('wrong', { columns, partitionBy })).toThrowError(
    expect.objectContaining({ code: 'CONFIG_INVALID', problems }),
  )
  await expect(
    writer('wrong', { partitionBy: ['c'] })('SELECT [1::BIGINT] AS a, 1::BIGINT AS b'),
  ).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    problems: ['table wrong: partitionBy: there is no column c (the columns are a, b)'],
  })
})

test('an empty batch makes a partitioned table, and its schema grows later', async () => {
  const columns = [
    { name: 'id', type: 'long' as const },
    { name: 'p', type: 'string' as const },
  ]
  const write = writer('grown', { columns, partitionBy: ['p'] })
  await write(null)
  expect((await lake.table('grown').snapshot())!.metaData.partitionColumns).toEqual(['p'])
  await write(`SELECT 1::BIGINT AS id, 'x' AS p`)
  await write(`SELECT 2::BIGINT AS id, 'x' AS p, {'a': 1} AS more`)
  await write('SELECT 3::BIGINT AS id')
  const rows = await lake.rows('grown', 'id, p, more.a AS a')
  expect(rows.sort((x, y) => Number(x.id) - Number(y.id))).toEqual([
    { id: 1n, p: 'x', a: null },
    { id: 2n, p: 'x', a: 1 },
    { id: 3n, p: null, a: null },
  ])
})

test('rows move between partitions when a merge changes the partition column; the feed tells both ends of it', async () => {
  const options = { write: { ...byVersion, deleteWhen: 'gone' }, partitionBy: ['p'], changeFeed: true }
  const write = writer('moving', options)
  await write(`SELECT range AS id, 0 AS v, 'p' || range % 3 AS p, false AS gone FROM range(9)`)
  const before = await files('moving')
  const changes = `(VALUES (0::BIGINT, 1, 'p1', false), (3, 1, 'new', false), (6, 1, 'p0', true), (9, 1, NULL, false)) t(id, v, p, gone)`
  expect(written(await write(`SELECT * FROM ${changes}`))).toEqual({
    inserted: 1,
    updated: 2,
    deleted: 1,
    stale: 0,
    filesRewritten: 1,
  })
  const after = await files('moving')
  const kept = before.filter(({ partitionValues }) => partitionValues.p !== 'p0').map(({ path }) => path)
  expect(after.filter(({ path }) => kept.includes(path))).toHaveLength(2)
  expect((await lake.rows('moving', `id || coalesce(p, '-') AS r`)).map(({ r }) => r).sort()).toEqual([
    '0p1',
    '1p1',
    '2p2',
    '3new',
    '4p1',
    '5p2',
    '7p1',
    '8p2',
    '9-',
  ])
  const told = await feed('moving', 1n, `id || coalesce(p, '-') || ' ' || _change_type || ' ' || _commit_version AS r`)
  expect(told.map(({ r }) => r).sort()).toEqual([
    '0p0 update_preimage 1',
    '0p1 update_postimage 1',
    '3new update_postimage 1',
    '3p0 update_preimage 1',
    '6p0 delete 1',
    '9- insert 1',
  ])
  const [entry] = await readEntries(lake.table('moving'), 1n, 2n)
  const cdc = entry!.actions.flatMap((action) => ('cdc' in action ? [action.cdc] : []))
  expect(cdc.map(({ path, partitionValues }) => [path.replace(/cdc-.*/, ''), partitionValues.p]).sort()).toEqual([
    ['_change_data/p=__HIVE_DEFAULT_PARTITION__/', null],
    ['_change_data/p=new/', 'new'],
    ['_change_data/p=p0/', 'p0'],
    ['_change_data/p=p1/', 'p1'],
  ])
  expect((await feed('moving', 0n, 'id', 1n)).length).toBe(9) // versions without cdc files: by their data files
})

test('deletion vectors mark rows in partitions, what becomes of them goes to theirs', async () => {
  const marking = { mostShare: 0.5, leastBytes: 0n }
  const write = writer('marked', {
    write: { ...byVersion, deleteWhen: 'gone' },
    partitionBy: ['p'],
    deletionVectors: true,
    marking,
    changeFeed: true,
  })
  await write(`SELECT range AS id, 0 AS v, range % 4 AS p, false AS gone FROM range(40)`)
  const outcome = await write(`SELECT range AS id, 1 AS v, (range + 1) % 4 AS p, range = 2 AS gone FROM range(4)`)
  expect(written(outcome)).toMatchObject({ updated: 3, deleted: 1, filesRewritten: 0, filesMarked: 4 })
  for (const { deletionVector, partitionValues } of await files('marked'))
    if (deletionVector !== undefined) expect(partitionValues.p).toMatch(/[0-3]/)
  const [sums] = await lake.rows('marked', 'count(*) AS n, count(DISTINCT id) AS ids, sum(p) FILTER (id < 4) AS moved')
  expect(sums).toEqual({ n: 39n, ids: 39n, moved: 3n }) // 0 to 1, 1 to 2, 3 to 0
  expect((await feed('marked', 1n, `id || ' ' || p || ' ' || _change_type AS r`)).map(({ r }) => r).sort()).toEqual([
    '0 0 update_preimage',
    '0 1 update_postimage',
    '1 1 update_preimage',
    '1 2 update_postimage',
    '2 2 delete',
    '3 0 update_postimage',
    '3 3 update_preimage',
  ])
})

test('a feed without change files gives partition columns back where deletion vectors took rows out', async () => {
  const marking = { mostShare: 1, leastBytes: 0n }
  const write = writer('unfed', {
    write: { ...byVersion, deleteWhen: 'gone' },
    partitionBy: ['p'],
    deletionVectors: true,
    marking,
  })
  await write(`SELECT range AS id, 0 AS v, 'ж/' || range % 2 AS p, false AS gone FROM range(6)`)
  await write(`SELECT range AS id, 1 AS v, 'ж/' || range % 2 AS p, true AS gone FROM range(2)`)
  expect((await feed('unfed', 1n, `id || p || _change_type AS r`)).map(({ r }) => r).sort()).toEqual([
    '0ж/0delete',
    '1ж/1delete',
  ])
})

test('files of partitions that no key lies in are not opened: the merge succeeds although they are gone', async () => {
  const write = writer('pruned', { write: { ...byVersion, key: ['p', 'id'] }, partitionBy: ['p'] })
  await write(`SELECT range AS id, 0 AS v, DATE '1899-12-30' + CAST(range % 5 AS INTEGER) AS p FROM range(20)`)
  const old = await files('pruned')
  for (const { path, partitionValues } of old)
    if (!['1899-12-30', '1900-01-03'].includes(partitionValues.p!)) await lake.store.delete(`pruned/${path}`)
  const changes = `SELECT * FROM (VALUES (0::BIGINT, 1, DATE '1899-12-30'), (4, 1, DATE '1900-01-03')) t(id, v, p)`
  expect(written(await write(changes))).toMatchObject({ updated: 2, filesRewritten: 2 })
})

test('a key column that is empty in a partition column is no key', async () => {
  const write = writer('keyless', { write: { ...byVersion, key: ['p', 'id'] }, partitionBy: ['p'] })
  await expect(write(`SELECT 1 AS id, 0 AS v, '' AS p`)).rejects.toMatchObject({
    message: expect.stringContaining('1 rows to merge have no key'),
  })
})

test('merges into different partitions do not conflict, though their other keys overlap', async () => {
  const write: MergeMode = { ...byVersion, key: ['p', 'id'] }
  await lake
    .sink('apart', { write, partitionBy: ['p'] })
    .commit(batch(0n, 1n, await lake.stage('SELECT range % 10 AS id, 0 AS v, range // 10 AS p FROM range(20)')))
  const stale = (await lake.table('apart').snapshot())!
  const mergeInto = async (p: number, pipeline: string) => {
    const table = lake.table('apart')
    const sink = lake.sink('apart', {
      write,
      table: { ...table, snapshot: async () => (pipeline === 'late' ? stale : table.snapshot()) },
    })
    return sink.commit({
      ...batch(0n, 1n, await lake.stage(`SELECT range + 100 AS id, 1 AS v, ${p}::BIGINT AS p FROM range(5)`)),
      pipeline,
    })
  }
  expect(await mergeInto(0, 'first')).toMatchObject({ kind: 'committed', version: 1n })
  // stands on version 0 and yet gets in: what was added meanwhile lies in another partition
  expect(await mergeInto(1, 'late')).toMatchObject({ kind: 'committed', version: 2n })
  expect(await lake.rows('apart', 'count(*) AS n')).toEqual([{ n: 30n }])
})

test('optimize writes files of one partition together, and no others', async () => {
  const write = writer('small', { partitionBy: ['p'] })
  for (let i = 0; i < 4; i++) await write(`SELECT ${i} * 10 + range AS id, 'p ' || range % 3 AS p FROM range(10)`)
  const before = await lake.rows('small', `list(id || p ORDER BY id) AS all`)
  const options = {
    target: { table: lake.table('small'), store: lake.store, clock: systemClock, ids: systemIds },
    duckdb: async () => lake.duckdb,
    stagingDir: lake.dir,
    targetBytes: 2n ** 20n,
    signal: new AbortController().signal,
  }
  expect(await optimizeTable({ ...options, order: null })).toMatchObject({ filesBefore: 12, filesAfter: 3 })
  expect(await lake.rows('small', `list(id || p ORDER BY id) AS all`)).toEqual(before)
  expect((await files('small')).map(({ path }) => path.replace(/part-.*/, '')).sort()).toEqual([
    'p=p%200/',
    'p=p%201/',
    'p=p%202/',
  ])
  await optimizeTable({ ...options, order: { columns: ['p', 'id'], curve: 'linear' } })
  expect(await lake.rows('small', `list(id || p ORDER BY id) AS all`)).toEqual(before)
})
