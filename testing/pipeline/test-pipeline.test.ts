import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { delta, kafka } from '../../connectors/index.ts'
import { definePipeline } from '../../engine/index.ts'
import ratings from '../../examples/ratings.ts'
import { col, eq, filter, int64, latestByKey, parseCritical, select, text, yearOf } from '../../operators/index.ts'
import { crash, endOfInput, type FaultPoint, record, type ScriptItem, table, testPipeline } from '../index.ts'

const timestamp = '2026-01-01T00:00:00Z'
const rating = (id: number) => ({ id, timestamp })
const topic = 'tmdb.movies'

/** Names of users, newest version, and who reads what changes in it. */
const users = definePipeline({
  name: 'users',
  source: kafka({ topic: 'users' }),
  steps: [
    parseCritical('parse', { id: int64('$.id'), name: text('$.name') }),
    latestByKey('latest', { key: ['id'], order: ['offset'] }),
    select('row', { id: col('id'), name: col('name'), offset: col('offset') }),
  ],
  sink: delta({ table: 'users', mode: 'merge', key: ['id'], newer: ['offset'], changeFeed: true }),
  deadLetters: delta({ table: 'dead_letters/users', mode: 'append' }),
})
const renamed = definePipeline({
  name: 'renamed',
  source: delta({ table: 'users', changeFeed: true }),
  steps: [
    filter('after', eq(col('_change_type'), 'update_postimage')),
    select('row', { id: col('id'), name: col('name') }),
  ],
  sink: delta({ table: 'renamed', mode: 'append' }),
})
const released = definePipeline({
  name: 'released',
  source: delta({ table: 'films' }),
  steps: [select('row', { id: col('id'), year: yearOf(col('released')), cast: col('cast') })],
  sink: delta({ table: 'released', mode: 'append' }),
})

test('records in, rows and dead letters out', async () => {
  await using pipeline = await testPipeline(ratings, { [topic]: [rating(1), 'no JSON', null] })
  await pipeline.run()
  expect(await pipeline.rows('bronze/ratings')).toMatchObject([
    { id: 1, event_time: '2026-01-01T00:00:00.000000Z', offset: 0, value: `{"id":1,"timestamp":"${timestamp}"}` },
  ])
  expect(await pipeline.deadLetters()).toMatchObject([
    { step: 'parse', code: 'NOT_JSON', value: 'no JSON' },
    { step: 'parse', code: 'TOMBSTONE_UNEXPECTED', value: null },
  ])
})

test('each run goes on behind the end of the input before, and pipelines follow each other', async () => {
  const script = [{ id: 1, name: 'Ann' }, { id: 2, name: 'Bob' }, endOfInput(), { id: 1, name: 'Anna' }]
  await using test = await testPipeline([renamed, users], { users: script })
  await test.run()
  expect(await test.rows('users')).toEqual([
    { id: 1, name: 'Ann', offset: 0 },
    { id: 2, name: 'Bob', offset: 1 },
  ])
  expect(await test.rows('renamed')).toEqual([])
  await test.run()
  expect(await test.rows('renamed')).toEqual([{ id: 1, name: 'Anna' }])
  test.send('users', { id: 2, name: 'Rob' })
  await test.run()
  expect(await test.rows('renamed')).toHaveLength(2)
  expect(await test.deadLetters()).toEqual([])
})

test.each<FaultPoint>([
  'batch-planned',
  'worker-read',
  'file-written',
  'stage-done',
  'sink-begin',
  'data-file-published',
  'before-log-commit',
  'after-log-commit',
  'between-sinks',
  'sinks-committed',
  'before-next-batch',
])('after a crash at %s every record is there once', async (at) => {
  const script = (...between: ScriptItem[]) => [rating(1), 'bad', ...between, rating(2), 'worse', ...between, rating(3)]
  await using crashed = await testPipeline(ratings, { [topic]: script(crash(at)) })
  await using whole = await testPipeline(ratings, { [topic]: script() })
  await crashed.run()
  await whole.run()
  expect(await crashed.rows('bronze/ratings')).toEqual(await whole.rows('bronze/ratings'))
  expect(await crashed.deadLetters()).toEqual(await whole.deadLetters())
  expect(await crashed.rows('bronze/ratings')).toHaveLength(3)
})

test('a crash that nothing comes past is told', async () => {
  await using test = await testPipeline(ratings, { [topic]: [rating(1), crash('store-after-commit')] })
  await expect(test.run()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining("crash('store-after-commit'): no pipeline came past that point"),
  })
})

test('records have the time of the clock, and what a record says of itself', async () => {
  await using test = await testPipeline(ratings, {
    [topic]: [rating(1), endOfInput(), record({ value: rating(2), key: 'k', partition: 1, headers: [['h', 'v']] })],
  })
  await test.run()
  test.advance('90m')
  await test.run()
  expect(await test.rows('bronze/ratings')).toMatchObject([
    { id: 1, timestamp: '2026-01-01T00:00:00.000000Z', key: null, partition: 0, headers: [] },
    { id: 2, timestamp: '2026-01-01T01:30:00.000000Z', key: 'k', partition: 1, headers: [{ key: 'h', value: 'v' }] },
  ])
  expect(test.now().toISOString()).toBe('2026-01-01T01:30:00.000Z')
  expect(() => test.advance('soon')).toThrow(/cannot be advanced by "soon" \(give milliseconds/)
})

test('rows are the input of pipelines that read tables, with the types that they show or are given', async () => {
  const films = [
    { id: 1, released: new Date('1927-01-10T00:00:00Z'), cast: [{ name: 'Ann', order: 0 }] },
    endOfInput(),
    { id: 2n ** 60n, released: null, cast: [] },
  ]
  await using shown = await testPipeline(released, { films })
  await shown.run()
  await shown.run()
  expect(await shown.rows('released')).toEqual([
    { id: 1, year: 1927, cast: [{ name: 'Ann', order: 0 }] },
    { id: String(2n ** 60n), year: null, cast: [] },
  ])
  const columns = { id: 'long', released: 'date', cast: { kind: 'array', element: 'string' } } as const
  await using given = await testPipeline(released, { films: table(columns, [{ id: 3, released: '1874-12-09' }]) })
  await given.run()
  expect(await given.rows('released')).toEqual([{ id: 3, year: 1874, cast: null }])
})

test('a table without rows is there', async () => {
  const columns = { id: 'long', released: 'date', cast: 'string' } as const
  await using test = await testPipeline(released, { films: table(columns, []) })
  await test.run()
  expect(await test.rows('films')).toEqual([])
  expect(await test.rows('released')).toEqual([])
})

test.each([
  [{ id: 1, cast: [] }, /films: column cast shows no type: its lists or objects are empty \(give the types: table/],
  [{ id: null }, /films: column id shows no type: it has nothing but nulls/],
  [{ id: [1, 'x'] }, /has values of two types: long and string/],
])('rows of unclear types are refused: %j', async (row, message) => {
  await using test = await testPipeline(released, { films: [row] })
  await expect(test.run()).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH', message: expect.stringMatching(message) })
})

test('what a pipeline writes to a topic is read back, and another pipeline reads it', async () => {
  const relay = definePipeline({
    name: 'relay',
    source: kafka({ topic: 'in' }),
    steps: [select('row', { key: col('key'), value: col('value'), headers: col('headers') })],
    sink: kafka({ topic: 'out', mode: 'append' }),
  })
  const landed = definePipeline({
    name: 'landed',
    source: kafka({ topic: 'out' }),
    steps: [select('row', { value: col('value') })],
    sink: delta({ table: 'landed', mode: 'append' }),
  })
  const sent = record({ value: 'one', key: 'k', headers: [['h', 'v']] })
  await using test = await testPipeline([relay, landed], { in: [sent, crash('between-sinks'), null] })
  await expect(test.run()).rejects.toMatchObject({ code: 'CONFIG_INVALID' }) // a pipeline with one sink has nothing between
  await test.run()
  expect(await test.records('out')).toMatchObject([
    { partition: 0, offset: 0, key: 'k', value: 'one', headers: [{ key: 'h', value: 'v' }] },
    { value: null, headers: [] },
  ])
  expect(await test.rows('landed')).toEqual([{ value: 'one' }, { value: null }])
  await expect(test.records('nowhere')).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' })
})

test('an input that no pipeline reads is refused, with what they read', async () => {
  const message = 'no pipeline of the test reads "movies" (they read: topic:tmdb.movies)'
  await expect(testPipeline(ratings, { movies: [] })).rejects.toMatchObject({ code: 'CONFIG_INVALID', message })
  await using test = await testPipeline(ratings, {})
  expect(() => test.send('movies', rating(1))).toThrow(message)
})

test('what a pipeline fails with is thrown at once, and what follows it does not run', async () => {
  const strict = definePipeline({
    name: 'strict',
    source: delta({ table: 'films' }),
    steps: [select('row', { id: col('id') })],
    sink: delta({ table: 'strict', mode: 'append', check: { positive: 'id > 0' } }),
  })
  const after = definePipeline({
    name: 'after',
    source: delta({ table: 'strict' }),
    steps: [select('row', { id: col('id') })],
    sink: delta({ table: 'after', mode: 'append' }),
  })
  await using test = await testPipeline([after, strict], { films: [{ id: 0 }] })
  await expect(test.run()).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringContaining('table strict refuses a row'),
  })
  await expect(test.rows('after')).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
})

test('a topic of a pattern is made, and nothing is left behind', async () => {
  const all = definePipeline({
    name: 'all',
    source: kafka({ pattern: 'shop\\..*' }),
    steps: [select('row', { topic: col('topic') })],
    sink: delta({ table: 'all', mode: 'append' }),
  })
  const folders = () =>
    ['/dev/shm', tmpdir()].flatMap((root) =>
      existsSync(root) ? readdirSync(root).filter((name) => name.startsWith('millrace-test-')) : [],
    )
  const before = folders()
  const test = await testPipeline(all, { 'shop.orders': ['x'], 'shop.users': ['y'] })
  expect(folders().length).toBeGreaterThan(before.length)
  await test.run()
  expect(await test.rows('all')).toEqual([{ topic: 'shop.orders' }, { topic: 'shop.users' }])
  await test.close()
  expect(folders()).toEqual(before)
})
