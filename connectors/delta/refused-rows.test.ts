import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RefusedFile, Sink } from '../../engine/contracts.ts'
import { localStore } from '../storage/local.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import type { MergeMode, TableSinkOptions } from './sink.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

async function dataFiles(path: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of lake.store.list(`${path}/`)) if (!key.includes('_delta_log/')) keys.push(key)
  return keys
}

/** Prepares and commits batches one after another; the dead letters that each left, as `<message>: <value>`. */
function writer(path: string, options: Partial<TableSinkOptions>): (query: string) => Promise<string[]> {
  const sink = lake.sink(path, options)
  let next = 0n
  return async (query) => {
    const commit = batch(next, next + 1n, await lake.stage(query))
    const letters = await lettersOf(sink, commit)
    expect((await sink.commit(commit)).kind).toBe('committed')
    await sink.abandon!()
    next += 1n
    return letters
  }
}

async function lettersOf(sink: Sink, commit: ReturnType<typeof batch>): Promise<string[]> {
  const refused = (await sink.prepare!(commit)) as RefusedFile | readonly never[]
  if (!('file' in refused)) return []
  const rows = await lake.query(`SELECT message, decode(value) AS value FROM '${refused.file.path}' ORDER BY ALL`)
  return rows.map(({ message, value }) => `${message}: ${value}`)
}

const rules = { notNull: ['id'], check: { positive: 'votes >= 0' } }

test('rows that break rules are dead letters with the rules and the row, all others are written', async () => {
  const write = writer('append', { rules })
  expect(
    await write(`SELECT * FROM (VALUES (1::BIGINT, 5), (2, -1), (NULL, 3), (NULL, NULL), (4, 0)) t(id, votes)`),
  ).toEqual([
    'breaks check constraint positive (votes >= 0): votes -1: {"id":2,"votes":-1}',
    'breaks not-null constraint of column id: id null: {"id":null,"votes":3}',
    'breaks not-null constraint of column id: id null; breaks check constraint positive (votes >= 0): votes null: {"id":null,"votes":null}',
  ])
  expect(await write('SELECT 5::BIGINT AS id, 7 AS votes')).toEqual([])
  expect(await write('SELECT NULL::BIGINT AS id, 7 AS votes')).toHaveLength(1)
  expect(await lake.rows('append', 'list(id ORDER BY id) AS ids')).toEqual([{ ids: [1n, 4n, 5n] }])
})

test('a refused row that still has its record is that record as a dead letter, place and bytes', async () => {
  const sink = lake.sink('records', { rules: { check: { even: 'id % 2 = 0' } } })
  const commit = batch(
    0n,
    1n,
    await lake.stage(
      `SELECT 't' AS topic, 3::INTEGER AS "partition", range AS "offset", TIMESTAMPTZ '2026-01-01 00:00:00Z' AS timestamp,
         encode('k') AS key, encode('raw ' || range) AS value, [{'key': 'h', 'value': encode('v')}] AS headers, range AS id FROM range(3)`,
    ),
  )
  const refused = (await sink.prepare!(commit)) as RefusedFile
  expect(
    await lake.query(
      `SELECT * EXCLUDE (timestamp, headers, key, value), decode(value) AS value FROM '${refused.file.path}'`,
    ),
  ).toMatchObject([
    {
      pipeline: 'p',
      step: 'table records',
      code: 'STORE_REFUSED',
      topic: 't',
      partition: 3,
      offset: 1n,
      value: 'raw 1',
    },
  ])
  expect(refused.first.message).toBe('breaks check constraint even (id % 2 = 0): id 1')
  await sink.commit(commit)
  await sink.close()
})

test('a row without a merge key is a dead letter, also one that would delete; whether a file may hold one its statistics say', async () => {
  const write: MergeMode = { mode: 'merge', key: ['id', 'kind'], newer: ['v'], deleteWhen: 'gone' }
  const merge = writer('keys', { write, partitionBy: ['kind'] })
  expect(
    await merge(
      `SELECT * FROM (VALUES (1::BIGINT, 'a', 1, false), (NULL, 'a', 1, true), (3, '', 1, false)) t(id, kind, v, gone)`,
    ),
  ).toEqual([
    'has no merge key id: {"id":null,"kind":"a","v":1,"gone":true}',
    'has no merge key kind: {"id":3,"kind":null,"v":1,"gone":false}',
  ])
  expect(await lake.rows('keys', 'id, kind')).toEqual([{ id: 1n, kind: 'a' }])
})

test('a row of a merge that breaks a rule is refused whatever the table holds, so that any cutting into batches gives the same', async () => {
  const write: MergeMode = { mode: 'merge', key: ['id'], newer: ['v'], deleteWhen: 'gone' }
  const versions = [
    `(1::BIGINT, 1, 5, false)`,
    `(1::BIGINT, 2, -1, false)`,
    `(2::BIGINT, 1, 1, false)`,
    `(2::BIGINT, 2, -9, true)`,
  ]
  const rowsOf = (values: readonly string[]) => `SELECT * FROM (VALUES ${values.join(', ')}) t(id, v, votes, gone)`
  const together = writer('merged-at-once', { write, rules })
  const apart = writer('merged-in-turn', { write, rules })
  const letters = await together(rowsOf(versions))
  const inTurn = []
  for (const version of versions) inTurn.push(...(await apart(rowsOf([version]))))
  expect(letters).toEqual([
    'breaks check constraint positive (votes >= 0): id 1, votes -1: {"id":1,"v":2,"votes":-1,"gone":false}',
  ])
  expect(inTurn).toEqual(letters)
  for (const table of ['merged-at-once', 'merged-in-turn'])
    expect(await lake.rows(table, 'id, v, votes')).toEqual([{ id: 1n, v: 1, votes: 5 }])
})

test('what clauses of a merge make of rows breaks rules before anything is committed, and leaves no file', async () => {
  const write: MergeMode = {
    ...{ mode: 'merge', key: ['id'], newer: ['v'] },
    whenMatched: [{ then: 'update', set: { v: 'source.v', votes: 'target.votes - source.votes' } }],
  }
  const merge = writer('clauses', { write, rules })
  await merge('SELECT 1::BIGINT AS id, 1 AS v, 5 AS votes')
  const before = await dataFiles('clauses')
  await expect(merge('SELECT 1::BIGINT AS id, 2 AS v, 6 AS votes')).rejects.toMatchObject({
    code: 'CONSTRAINT_VIOLATED',
    retryable: false,
  })
  expect(await dataFiles('clauses')).toEqual(before)
})

test('a day that no partition can have is a dead letter, its neighbours are written', async () => {
  const write = writer('days', { partitionBy: ['day'] })
  const letters = await write(
    `SELECT 1 AS id, DATE '2026-01-01' AS day UNION ALL SELECT 2, DATE '12026-01-01' UNION ALL SELECT 3, NULL`,
  )
  expect(letters).toEqual([expect.stringContaining('breaks form of partition column day')])
  expect(await lake.rows('days', 'list(id ORDER BY id) AS ids')).toEqual([{ ids: [1, 3] }])
})

test('a batch that is abandoned after it was prepared leaves no file', async () => {
  const sink = lake.sink('abandoned', { rules })
  const commit = batch(0n, 1n, await lake.stage('SELECT 1::BIGINT AS id, 1 AS votes'))
  await sink.prepare!(commit)
  expect(await dataFiles('abandoned')).toHaveLength(1)
  await sink.abandon!()
  expect(await dataFiles('abandoned')).toEqual([])
  await sink.close()
})

test('a writer that comes between preparation and commit is no loss: the merge is done again on what it left', async () => {
  const write: MergeMode = { mode: 'merge', key: ['id'], newer: ['v'] }
  const first = lake.sink('between', { write, rules })
  await first.commit(batch(0n, 1n, await lake.stage('SELECT 1::BIGINT AS id, 1 AS v, 1 AS votes')))
  const commit = batch(1n, 2n, await lake.stage('SELECT * FROM (VALUES (1::BIGINT, 3, 3), (2, 1, -1)) t(id, v, votes)'))
  expect(await lettersOf(first, commit)).toHaveLength(1)
  const other = { ...batch(0n, 1n, await lake.stage('SELECT 1::BIGINT AS id, 2 AS v, 2 AS votes')), pipeline: 'other' }
  await lake.sink('between', { write, rules }).commit(other)
  expect(await first.commit(commit)).toMatchObject({ kind: 'committed', written: { updated: 1, inserted: 0 } })
  await first.close()
  expect(await lake.rows('between', 'id, v')).toEqual([{ id: 1n, v: 3 }])
})
