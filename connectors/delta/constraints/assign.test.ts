import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Duckdb, openDuckdb } from '../../../engine/duckdb.ts'
import type { Column, DataType } from '../../../engine/schema.ts'
import { assigned } from './assign.ts'

const tags: DataType = { kind: 'array', element: 'string' }
const money: DataType = { kind: 'decimal', precision: 9, scale: 2 }
const columns: readonly Column[] = [
  { name: 'id', type: 'long' },
  { name: 'n', type: 'short' },
  { name: 'x', type: 'double' },
  { name: 'f', type: 'float' },
  { name: 'price', type: money },
  { name: 'name', type: 'string' },
  { name: 'day', type: 'date' },
  { name: 'tags', type: tags },
]
const row = `SELECT 70000::BIGINT AS id, 7::SMALLINT AS n, 0.5::DOUBLE AS x, 0.1::FLOAT AS f, 1.50::DECIMAL(9, 2) AS price,
  'a' AS name, DATE '2026-01-01' AS day, ['t'] AS tags`

let duckdb: Duckdb
const dir = mkdtempSync(join(tmpdir(), 'millrace-assign-'))
beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: dir })
})
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true })
})

async function value(expression: string, type: DataType): Promise<unknown> {
  const sql = assigned(expression, { name: 'to', type }, columns)
  const [found] = await duckdb.withConnection((connection) =>
    connection.rows(`SELECT CAST(v AS VARCHAR) AS value, typeof(v) AS type FROM (SELECT ${sql} AS v FROM (${row}))`),
  )
  return `${found!.value} ${found!.type}`
}

test.each<readonly [string, DataType, string]>([
  ['n + 1', 'short', '8 SMALLINT'],
  ['n', 'long', '7 BIGINT'],
  ['5', 'byte', '5 TINYINT'],
  ['NULL', tags, 'null VARCHAR[]'],
  ['tags', tags, '[t] VARCHAR[]'],
  ['price * 2', money, '3.00 DECIMAL(9,2)'],
  ['5', money, '5.00 DECIMAL(9,2)'],
  ['1.5', 'double', '1.5 DOUBLE'],
  ['f', 'double', '0.10000000149011612 DOUBLE'],
  ['0.5', 'float', '0.5 FLOAT'],
  [`'2026-02-03'`, 'date', '2026-02-03 DATE'],
  [`'2026-02-03T01:00:00+01:00'`, 'timestamp', '2026-02-03 00:00:00+00 TIMESTAMP WITH TIME ZONE'],
  [`'x'`, 'string', 'x VARCHAR'],
  ['n > 5', 'boolean', 'true BOOLEAN'],
])('%s is stored as it is', async (expression, type, expected) => {
  expect(await value(expression, type)).toBe(expected)
})

test('a number that is too large for its column is an error, as it is in Spark', async () => {
  await expect(value('id', 'short')).rejects.toThrow('out of range')
})

test.each<readonly [string, DataType, string]>([
  ['price * 1.1', money, 'decimal(12,3) as decimal(9,2)'],
  ['x', 'float', 'double as float'],
  ['x', 'long', 'double as long'],
  ['id', 'double', 'long as double'],
  ['id', 'string', 'long as string'],
  ['name', 'date', 'string as date'],
  [`'2026-02-30'`, 'date', 'the day'],
  [`'7'`, 'long', `long compared with '7'`],
  ['n > 5', 'long', 'boolean as long'],
  ['tags', { kind: 'array', element: 'long' }, 'as array<long>'],
])('%s is not stored where it would be something else', (expression, type, reason) => {
  expect(() => assigned(expression, { name: 'to', type }, columns)).toThrow(reason)
})
