import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { localStore } from '../storage/local.ts'
import { examineFile } from './file-examination.ts'
import { openTestLake, type TestLake } from './lake.testing.ts'
import { writeForeignTable } from './tables.testing.ts'

let lake: TestLake
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

const field = (name: string, id: number, physical: string, type: unknown) => ({
  name,
  type,
  nullable: true,
  metadata: { 'delta.columnMapping.id': id, 'delta.columnMapping.physicalName': physical },
})
const struct = (...fields: readonly object[]) => ({ type: 'struct', fields })
const schema = struct(
  field('id', 1, 'col-1', 'long'),
  field('first', 2, 'col-2', 'string'),
  field('last', 3, 'col-3', 'string'),
  field('home', 4, 'col-4', struct(field('city', 5, 'col-5', 'string'), field('street', 6, 'col-6', 'string'))),
  field('tags', 7, 'col-7', {
    type: 'array',
    containsNull: true,
    elementType: struct(field('key', 8, 'col-8', 'string'), field('value', 9, 'col-9', 'long')),
  }),
  field('counts', 10, 'col-10', {
    type: 'map',
    keyType: 'string',
    valueType: struct(field('n', 11, 'col-11', 'long')),
    valueContainsNull: true,
  }),
  field('part', 12, 'col-12', 'string'),
)

/** A table of files that DuckDB writes from `[select, field ids]`, with the partition value `p`. */
async function makeTable(path: string, files: readonly (readonly [select: string, ids: string | null])[]) {
  const dir = join(lake.dir, 'lake', path)
  mkdirSync(join(dir, '_delta_log'), { recursive: true })
  const adds: object[] = []
  for (const [i, [select, ids]] of files.entries()) {
    const name = `part-${i}.parquet`
    const options = ids === null ? '' : `, field_ids ${ids}`
    await lake.query(`COPY (${select}) TO '${join(dir, name)}' (FORMAT parquet${options})`)
    const stats = JSON.stringify({ numRecords: 1, minValues: { 'col-2': 'Ann' }, maxValues: { 'col-2': 'Ann' } })
    const size = (await lake.store.get(`${path}/${name}`))!.length
    adds.push({ path: name, partitionValues: { 'col-12': 'p' }, size, stats })
  }
  await writeForeignTable(lake.store, path, {
    fields: schema.fields,
    protocol: { minReaderVersion: 2, minWriterVersion: 5 },
    partitionColumns: ['part'],
    configuration: { 'delta.columnMapping.mode': 'id', 'delta.columnMapping.maxColumnId': '12' },
    files: adds,
  })
}

const swapped: readonly [string, string] = [
  `SELECT 1::BIGINT AS "last", 'Ann' AS "col-3", 'Lee' AS "col-2", {'street': 'Rome', 'city': 'Via'} AS h,
     [{'value': 'k', 'key': 5::BIGINT}] AS t, map {'a': {'x': 7::BIGINT}} AS m`,
  `{"last": 1, "col-3": 2, "col-2": 3, h: {__duckdb_field_id: 4, street: 5, city: 6},
    t: {__duckdb_field_id: 7, element: {__duckdb_field_id: 70, "value": 8, "key": 9}},
    m: {__duckdb_field_id: 10, key: 71, value: {__duckdb_field_id: 72, x: 11}}}`,
]
const row = {
  id: 1n,
  first: 'Ann',
  last: 'Lee',
  home: { city: 'Rome', street: 'Via' },
  tags: [{ key: 'k', value: 5n }],
  part: 'p',
}
const select = "id, first, last, home, tags, part, counts['a'].n AS n"

test('columns are found by their ids, whatever a file calls them, fields of structs, lists and maps as well', async () => {
  await makeTable('swapped', [
    swapped,
    [`SELECT 2::BIGINT AS id, 'Bob' AS name_1`, '{id: 1, name_1: 2}'], // without the others
    [`SELECT 'x' AS first, 3::BIGINT AS "id"`, '{first: 99, id: 1}'], // one that the table does not have
  ])
  const nothing = { first: null, last: null, home: null, tags: null, n: null, part: 'p' }
  const rows = await lake.rows('swapped', select)
  expect(rows.toSorted((a, b) => Number(a.id) - Number(b.id))).toEqual([
    { ...row, n: 7n },
    { ...nothing, id: 2n, first: 'Bob' },
    { ...nothing, id: 3n },
  ])
})

test('a pipeline that reads the table gets the same rows', async () => {
  const source = lake.source('swapped', { changeFeed: false })
  const [[sourcePartition, end] = ['', 0n]] = await source.latest()
  const input = await source.files({ sourcePartition, start: 0n, end }, lake.dir)
  expect(await lake.inputRows(input, `${select} `)).toContainEqual({ ...row, n: 7n })
})

test('a file without ids is refused by name, and nothing is guessed from its names', async () => {
  await makeTable('nameless', [[`SELECT 1::BIGINT AS "col-1"`, null]])
  await expect(lake.rows('nameless', 'id')).rejects.toMatchObject({
    code: 'TABLE_CORRUPT',
    message: expect.stringMatching(/part-0\.parquet has no field ids/),
  })
})

test('statistics are compared with the columns that they are of', async () => {
  const table = lake.table('swapped')
  const snapshot = (await table.snapshot())!
  const files = [...(await snapshot.files()).values()].sort((a, b) => (a.path < b.path ? -1 : 1))
  const examine = (i: number) =>
    examineFile({ table, store: lake.store, duckdb: async () => lake.duckdb }, snapshot, files[i]!)
  expect(await examine(0)).toEqual([])
  expect(await examine(1)).toEqual(['1 values of col-2 are above its greatest one in the statistics'])
})
