import { afterAll, beforeAll, expect, test } from 'vitest'
import { localStore } from '../storage/local.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import { writeForeignTable } from './tables.testing.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

const column = (name: string, type: unknown, metadata = {}) => ({ name, type, nullable: true, metadata })

/** A table as another engine leaves it that has made it and written nothing. */
const makeEmpty = (path: string, fields: readonly object[], protocol?: object) =>
  writeForeignTable(lake.store, path, { fields, ...(protocol === undefined ? {} : { protocol }) })

test('a column that can hold nothing but nulls is read as nulls', async () => {
  await makeEmpty('nothing', [column('id', 'long'), column('never', 'void')])
  const snapshot = (await lake.table('nothing').snapshot())!
  expect(snapshot.columns.map(({ name }) => name)).toEqual(['id', 'never'])
  expect(await lake.rows('nothing', 'never')).toEqual([])
})

test('a table without columns is refused by name, and is nothing to read until it has some', async () => {
  await makeEmpty('bare', [])
  await expect(lake.rows('bare', '*')).rejects.toMatchObject({ code: 'TABLE_UNSUPPORTED' })
  const source = lake.source('bare', { changeFeed: false })
  expect(await source.latest()).toEqual(new Map())
  await lake.sink('bare').commit(batch(0n, 1n, await lake.stage('SELECT 1 AS id')))
  expect(await source.latest()).toEqual(new Map([['id-of-bare', 2n]]))
  expect(await lake.rows('bare', 'id')).toEqual([{ id: 1 }])
})

test('texts are no longer than their column was declared, counted in characters', async () => {
  const declared = { __CHAR_VARCHAR_TYPE_STRING: 'varchar(3)' }
  await makeEmpty('lengths', [
    column('t', 'string', declared),
    column('s', { type: 'struct', fields: [column('c', 'string', { __CHAR_VARCHAR_TYPE_STRING: 'char(2)' })] }),
  ])
  const sink = lake.sink('lengths')
  await sink.commit(batch(0n, 1n, await lake.stage(`SELECT 'äöü' AS t, {'c': 'x'} AS s UNION ALL SELECT NULL, NULL`)))
  for (const [rows, rule] of [
    [`SELECT 'abcd' AS t`, 'length of column t (varchar(3))'],
    [`SELECT {'c': 'abc'} AS s`, 'length of column s.c (char(2))'],
  ] as const)
    await expect(sink.commit(batch(1n, 2n, await lake.stage(rows)))).rejects.toMatchObject({
      code: 'CONSTRAINT_VIOLATED',
      message: expect.stringContaining(rule),
    })
})

test('a table that cannot be written is refused for that, before its columns are compared', async () => {
  const features = {
    minReaderVersion: 3,
    minWriterVersion: 7,
    readerFeatures: ['typeWidening'],
    writerFeatures: ['typeWidening'],
  }
  await makeEmpty('widened', [column('id', 'integer')], features)
  const rows = await lake.stage(`SELECT 'text' AS id`)
  await expect(lake.sink('widened').commit(batch(0n, 1n, rows))).rejects.toMatchObject({
    code: 'TABLE_UNSUPPORTED',
    message: expect.stringContaining('typeWidening'),
  })
})
