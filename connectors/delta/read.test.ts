import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import type { Column } from '../../engine/schema.ts'
import { dataKey, selectFiles } from './read.ts'

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

test('paths of the log are percent-decoded; absolute and malformed ones are refused by name', () => {
  expect(dataKey('t', 'letter=%252F/a%20b.parquet')).toBe('t/letter=%2F/a b.parquet')
  expect(() => dataKey('t', 's3://elsewhere/a.parquet')).toThrow(/absolute path: s3:/)
  expect(() => dataKey('t', '/a.parquet')).toThrow(/absolute path/)
  expect(() => dataKey('t', 'a%zz.parquet')).toThrow(/malformed path: a%zz/)
})
