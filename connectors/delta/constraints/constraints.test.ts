import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CommitOutcome } from '../../../engine/contracts.ts'
import { localStore } from '../../storage/local.ts'
import { batch, openTestLake, type TestLake } from '../lake.testing.ts'
import type { MergeMode, TableSinkOptions } from '../sink.ts'
import { liveFiles, transaction } from '../tables.testing.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

/** Commits queries one after another; a batch that fails is followed by another for the same range. */
function writer(path: string, options: Partial<TableSinkOptions>): (query: string) => Promise<CommitOutcome> {
  const sink = lake.sink(path, options)
  let next = 0n
  return async (query) => {
    const outcome = await sink.commit(batch(next, next + 1n, await lake.stage(query)))
    next += 1n
    return outcome
  }
}

const rules = { notNull: ['id'], check: { positive: 'votes >= 0' } }

async function dataFiles(path: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of lake.store.list(`${path}/`)) if (!key.includes('_delta_log/')) keys.push(key)
  return keys
}

test('a new table has the rules that its sink asks for, in the words of the protocol', async () => {
  await writer('new', { rules })('SELECT 1::BIGINT AS id, 2 AS votes')
  const { protocol, metaData } = (await lake.table('new').snapshot())!
  expect(protocol).toEqual({ minReaderVersion: 1, minWriterVersion: 3 })
  expect(metaData.configuration).toEqual({ 'delta.constraints.positive': 'votes >= 0' })
  expect(metaData.schemaString).toContain('{"name":"id","type":"long","nullable":false,"metadata":{}}')
})

test('an append with rows that break rules publishes nothing, and says which rules, how many rows and one of them', async () => {
  const write = writer('append', { rules })
  await expect(
    write(`SELECT CASE WHEN range > 2 THEN range END AS id, range - 1 AS votes FROM range(5)`),
  ).rejects.toMatchObject({
    code: 'CONSTRAINT_VIOLATED',
    retryable: false,
    message: `table append: 3 rows break its not-null constraint of column id, one of them with id null; 1 row breaks its check constraint positive (votes >= 0), one of them with votes -1 (reject such rows in a step before: expect, onViolation: 'dead-letter')`,
  })
  expect(await dataFiles('append')).toEqual([])
  await write('SELECT 1::BIGINT AS id, 0::BIGINT AS votes')
  await expect(write('SELECT 2::BIGINT AS id, NULL::BIGINT AS votes')).rejects.toThrowError('with votes null') // null is not true
  await expect(write('SELECT 2::BIGINT AS id')).rejects.toThrowError('with votes null')
  await write('SELECT 2::BIGINT AS id, 5::BIGINT AS votes, 1 AS more')
  expect(await lake.rows('append', 'list(id ORDER BY id) AS ids')).toEqual([{ ids: [1n, 2n] }])
  expect(await dataFiles('append')).toHaveLength(2)
})

test('a merge looks at rows that it writes, not at those that are stale, deleted or stay', async () => {
  const write: MergeMode = { mode: 'merge', key: ['id'], newer: ['v'], deleteWhen: 'gone' }
  const merge = writer('merge', { write, rules })
  await merge('SELECT range AS id, 5 AS v, 1 AS votes, false AS gone FROM range(3)')
  await merge('SELECT * FROM (VALUES (0::BIGINT, 4, -1, false), (1, 6, -1, true)) t(id, v, votes, gone)')
  expect(await lake.rows('merge', 'list(id ORDER BY id) AS ids')).toEqual([{ ids: [0n, 2n] }])
  const before = await dataFiles('merge')
  for (const id of [2, 7])
    await expect(merge(`SELECT ${id}::BIGINT AS id, 9 AS v, -1 AS votes, false AS gone`)).rejects.toMatchObject({
      code: 'CONSTRAINT_VIOLATED',
      message: expect.stringContaining(`one of them with id ${id}, votes -1`),
    })
  expect(await dataFiles('merge')).toEqual(before)
})

test('rules of tables that others made are kept: invariants, fields of structs, and partition columns', async () => {
  const field = (name: string, type: unknown, more: object = {}) => ({
    name,
    type,
    nullable: true,
    metadata: {},
    ...more,
  })
  const schema = {
    type: 'struct',
    fields: [
      field('id', 'long', { metadata: { 'delta.invariants': '{"expression":{"expression":"id < 100"}}' } }),
      field('s', { type: 'struct', fields: [field('a', 'long', { nullable: false })] }),
      field('p', 'string', { nullable: false }),
    ],
  }
  const format = { provider: 'parquet', options: {} }
  const metaData = {
    id: 'theirs',
    format,
    schemaString: JSON.stringify(schema),
    partitionColumns: ['p'],
    configuration: {},
  }
  const protocol = { minReaderVersion: 1, minWriterVersion: 2 }
  await lake.table('theirs').commit(transaction(null, [{ protocol }, { metaData }]))
  const write = writer('theirs', {})
  await expect(write(`SELECT 100::BIGINT AS id, {'a': 1::BIGINT} AS s, 'x' AS p`)).rejects.toThrowError(
    '1 row breaks its invariant of column id (id < 100), one of them with id 100',
  )
  for (const s of ['NULL', `{'a': NULL::BIGINT}`])
    await expect(write(`SELECT 1::BIGINT AS id, ${s}::STRUCT(a BIGINT) AS s, 'x' AS p`)).rejects.toThrowError(
      'not-null constraint of column s.a',
    )
  // a partition column gives an empty text back as null
  await expect(write(`SELECT 1::BIGINT AS id, {'a': 1::BIGINT} AS s, '' AS p`)).rejects.toThrowError(
    'not-null constraint of column p',
  )
  await write(`SELECT 1::BIGINT AS id, {'a': 1::BIGINT} AS s, 'x' AS p`)
  expect((await liveFiles(lake.table('theirs'))).size).toBe(1)
  const [only] = (await lake.table('theirs').snapshot())!.metaData.schemaString.match(/delta.invariants/) ?? []
  expect(only).toBeDefined()
})

test('values in messages are cut short', async () => {
  await expect(
    writer('long', { rules: { check: { short: 'length(t) < 9' } } })(`SELECT repeat('ж', 99) AS t`),
  ).rejects.toThrowError(`with t ${'ж'.repeat(40)}… (reject`)
})

test('a sink that asks an existing table for rules that it does not have is refused', async () => {
  await writer('without', {})('SELECT 1::BIGINT AS id, 2 AS votes')
  const sink = lake.sink('without', { rules })
  await expect(
    sink.commit(batch(1n, 2n, await lake.stage('SELECT 1::BIGINT AS id, 2 AS votes'))),
  ).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(
      'was made without the not-null constraint of column id, the check constraint positive (votes >= 0)',
    ),
  })
})

test('rules that cannot be judged make no table, and all are told at once', () => {
  const columns = [{ name: 'id', type: 'long' as const }]
  const wrong = { notNull: ['x'], check: { 'a b': 'id > 0', strange: 'upper(id) = 1', open: 'id >' } }
  expect(() => lake.sink('wrong', { columns, rules: wrong })).toThrowError(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      problems: [
        'table wrong: notNull: there is no column x (the columns are id)',
        'table wrong: check: "a b" is no name (letters, digits and _)',
        'table wrong: check strange: upper(id) = 1: the function upper of long is not supported (write it in other words)',
        'table wrong: check open: id >: "the end" is not supported (write it in other words)',
      ],
    }),
  )
})
