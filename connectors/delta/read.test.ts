import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import type { Column } from '../../engine/schema.ts'
import { dataLocation } from './data-location.ts'
import { selectFiles } from './read.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-read-'))
let duckdb: Duckdb
beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 29, threads: 1, tempDir: join(dir, 'spill') })
})
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true })
})

const columns: Column[] = [
  { name: 'id', type: 'long' },
  {
    name: 'cast',
    type: {
      kind: 'array',
      element: {
        kind: 'struct',
        fields: [
          { name: 'name', type: 'string' },
          {
            name: 'role',
            type: {
              kind: 'struct',
              fields: [
                { name: 'order', type: 'long' },
                { name: 'job', type: 'string' },
              ],
            },
          },
        ],
      },
    },
  },
  { name: 'tags', type: { kind: 'map', key: 'string', value: 'long' } },
  { name: 'at', type: 'timestamp' },
]

async function write(path: string, query: string) {
  mkdirSync(join(dir, path, '..'), { recursive: true })
  await duckdb.withConnection((connection) => copyToParquet(connection, query, join(dir, path)))
  return { path: join(dir, path), constants: {} }
}

test('files from before and after an evolution read alike, fields inside lists of structs included', async () => {
  const files = [
    await write('a.parquet', `SELECT 1::BIGINT AS id, [{'name': 'x', 'role': {'order': 1::BIGINT}}] AS "cast"`),
    await write('b.parquet', `SELECT MAP {'k': 9::BIGINT} AS tags, 9007199254740993 AS id`),
    await write(
      'c.parquet',
      `SELECT [{'role': {'job': 'Editor', 'order': NULL::BIGINT}, 'name': 'y'}, NULL] AS "cast", 3::BIGINT AS id, 'gone' AS extra`,
    ),
  ]
  await duckdb.withConnection(async (connection) => {
    const query = selectFiles({ columns, files })
    expect((await connection.describe(query)).names).toEqual(['id', 'cast', 'tags', 'at'])
    const rows = await connection.rows(
      `SELECT id, to_json("cast")::VARCHAR AS c, tags['k'] AS k FROM (${query}) ORDER BY id`,
    )
    expect(rows).toEqual([
      { id: 1n, c: '[{"name":"x","role":{"order":1,"job":null}}]', k: null },
      { id: 3n, c: '[{"name":"y","role":{"order":null,"job":"Editor"}},null]', k: null },
      { id: 2n ** 53n + 1n, c: null, k: 9n },
    ])
    for (const file of files) // each alone as well, without another that has the missing parts
      expect(await connection.rows(`SELECT count(*) AS n FROM (${selectFiles({ columns, files: [file] })})`)).toEqual([
        { n: 1n },
      ])
  })
})

test('a table without files is an empty relation of the right types', async () => {
  await duckdb.withConnection(async (connection) => {
    const query = selectFiles({ columns, files: [] })
    expect(await connection.rows(query)).toEqual([])
    expect(await connection.rows(`SELECT typeof(id) AS t FROM (${query}) RIGHT JOIN (SELECT 1) ON true`)).toEqual([
      { t: 'BIGINT' },
    ])
  })
})

test('characters that are patterns or partitions to DuckDB are names to us', async () => {
  const files = [
    await write("x=1/a[1]*?'.parquet", 'SELECT 1::BIGINT AS id'),
    { ...(await write('x=2/p.parquet', 'SELECT 2::BIGINT AS id')), constants: { at: '1999-12-31 00:00:00', tags: '' } },
  ]
  await duckdb.withConnection(async (connection) => {
    const query = selectFiles({ columns, files, fileColumn: 'file' })
    const rows = await connection.rows(`SELECT id, file, epoch_us("at") AS at FROM (${query}) ORDER BY id`)
    expect(rows).toEqual([
      { id: 1n, file: files[0]!.path, at: null },
      { id: 2n, file: files[1]!.path, at: 946_598_400_000_000n },
    ])
  })
})

test('paths of the log are percent-decoded; absolute ones are found where they are; malformed ones are refused by name', () => {
  const at = (path: string, url = 'file:///data/my%20lake') => dataLocation({ url }, 't', path)
  expect(at('letter=%252F/a%20b.parquet')).toEqual({ key: 't/letter=%2F/a b.parquet' })
  for (const path of [
    'file:/data/my%20lake/u/a%20b.parquet',
    'file:///data/my%20lake/u/a%20b.parquet',
    '/data/my lake/u/a b.parquet',
  ])
    expect(at(path)).toEqual({ key: 'u/a b.parquet' })
  expect(at('file:/elsewhere/a.parquet')).toEqual({ file: '/elsewhere/a.parquet' })
  expect(at('s3://lake/tables/u/a.parquet', 's3://lake/tables')).toEqual({ key: 'u/a.parquet' })
  for (const [path, url] of [
    ['s3://elsewhere/a.parquet', undefined],
    ['s3://lake/tablesX/a.parquet', 's3://lake/tables'],
    ['file:/a.parquet', 's3://lake'],
  ])
    expect(() => at(path!, url)).toThrow(/names a file outside of the lake/)
  expect(() => at('a%zz.parquet')).toThrow(/malformed path: a%zz/)
})

test('rows that a deletion vector names are not there, of whichever file of a group, and by file', async () => {
  const [first, second] = [
    await write('dv-a.parquet', 'SELECT i AS id FROM range(10) t(i)'),
    await write('dv-b.parquet', 'SELECT 10 + i AS id FROM range(10) t(i)'),
  ]
  const files = [{ ...first, deleted: [0, 3, 9] }, second, { ...second, constants: { tags: '' }, deleted: [5] }]
  await duckdb.withConnection(async (connection) => {
    const of = async (query: string) =>
      (await connection.rows(`SELECT id FROM (${query}) ORDER BY id`)).map(({ id }) => Number(id))
    expect(await of(selectFiles({ columns: [columns[0]!], files: files.slice(0, 2) }))).toEqual([
      1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
    ])
    expect(await of(selectFiles({ columns: [columns[0]!], files: files.slice(2), fileColumn: 'f' }))).toEqual([
      10, 11, 12, 13, 14, 16, 17, 18, 19,
    ])
  })
})

test('columns, fields and constants under other names than the schema gives them are read under its own', async () => {
  const file = await write(
    'mapped.parquet',
    `SELECT 7::BIGINT AS p1, [{'p3': 'x', 'p4': {'p5': 1::BIGINT, 'p6': 'y'}}, NULL] AS p2, MAP {'k': {'p8': 2}} AS p7, NULL::STRUCT(p10 INTEGER) AS p9`,
  )
  const inner = (name: string, type: Column['type']): Column['type'] => ({ kind: 'struct', fields: [{ name, type }] })
  const shape = (names: readonly string[]): Column[] => [
    { name: names[0]!, type: 'long' },
    {
      name: names[1]!,
      type: {
        kind: 'array',
        element: {
          kind: 'struct',
          fields: [
            { name: names[2]!, type: 'string' },
            {
              name: names[3]!,
              type: {
                kind: 'struct',
                fields: [
                  { name: names[4]!, type: 'long' },
                  { name: names[5]!, type: 'string' },
                ],
              },
            },
          ],
        },
      },
    },
    { name: names[6]!, type: { kind: 'map', key: 'string', value: inner(names[7]!, 'integer') } },
    { name: names[8]!, type: inner(names[9]!, 'integer') },
    { name: names[10]!, type: 'binary' },
  ]
  const logical = shape(['id', 'cast', 'name', 'role', 'order', 'job', 'tags', 'weight', 'none', 'of it', 'part'])
  const physical = shape(['p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7', 'p8', 'p9', 'p10', 'p11'])
  const files = [{ ...file, constants: { p11: 'ä' } }]
  await duckdb.withConnection(async (connection) => {
    const query = selectFiles({ columns: logical, physical, files })
    expect(await connection.rows(`SELECT to_json(t)::VARCHAR AS row, part FROM (SELECT * FROM (${query})) t`)).toEqual([
      {
        row: expect.stringContaining(
          '{"id":7,"cast":[{"name":"x","role":{"order":1,"job":"y"}},null],"tags":{"k":{"weight":2}},"none":null',
        ),
        part: Buffer.from('ä'),
      },
    ])
  })
})

test('a partition column that is in the data files too is read once, as the log has it', async () => {
  const file = await write('p=x/kept.parquet', `SELECT 1::BIGINT AS k, 'in the file' AS P`)
  const named: Column[] = [
    { name: 'k', type: 'long' },
    { name: 'p', type: 'string' },
  ]
  const rows = (more: object) =>
    duckdb.withConnection((connection) =>
      connection.rows(selectFiles({ columns: named, files: [{ ...file, constants: { p: 'x' }, ...more }] })),
    )
  expect(await rows({})).toEqual([{ k: 1n, p: 'x' }])
  expect(await rows({ only: [0] })).toEqual([{ k: 1n, p: 'x' }])
  expect(await rows({ deleted: [0] })).toEqual([])
})

test('any rows of files can be left out, or be the only ones', async () => {
  const [few, many] = [
    await write('few.parquet', 'SELECT range AS id FROM range(20)'),
    await write('many.parquet', 'SELECT range AS id FROM range(70000)'),
  ]
  const ids: Column[] = [{ name: 'id', type: 'long' }]
  const sum = async (...files: Parameters<typeof selectFiles>[0]['files']) => {
    const query = `SELECT count(*) AS n, sum(id)::BIGINT AS s FROM (${selectFiles({ columns: ids, files })})`
    return (await duckdb.withConnection((connection) => connection.rows(query)))[0]
  }
  const total = (n: number) => BigInt((n * (n - 1)) / 2)
  expect(await sum({ ...few, deleted: [0, 7, 8, 19] }, many)).toEqual({
    n: 70_016n,
    s: total(20) - 34n + total(70_000),
  })
  expect(await sum({ ...few, only: [3, 19] }, { ...many, only: [69_999] })).toEqual({ n: 3n, s: 70_021n })
  const odd = Array.from({ length: 35_000 }, (_, i) => 2 * i + 1)
  expect(await sum({ ...many, deleted: odd })).toEqual({ n: 35_000n, s: total(70_000) - 35_000n * 35_000n })
  expect(await sum({ ...few, only: [] })).toEqual({ n: 0n, s: null })
})
