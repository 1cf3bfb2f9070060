import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Duckdb, openDuckdb } from './duckdb.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-values-'))
let duckdb: Duckdb
beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 128 * 2 ** 20, threads: 1, tempDir: dir })
})
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true })
})

const point = "TIMESTAMPTZ '2020-01-01 00:00:00.123456+02'"

test.each<[sql: string, value: unknown]>([
  ["DATE '1999-01-01'", '1999-01-01'],
  ["DATE '1874-12-09'", '1874-12-09'],
  [point, '2019-12-31T22:00:00.123456Z'],
  ["TIMESTAMP '2020-01-01 00:00:00.123456'", '2020-01-01T00:00:00.123456'],
  ["TIMESTAMP_S '1960-01-01 00:00:01'", '1960-01-01T00:00:01.000000'],
  ["TIMESTAMP_MS '2020-01-01 00:00:01.5'", '2020-01-01T00:00:01.500000'],
  ["TIMESTAMP_NS '2020-01-01 00:00:01.123456789'", '2020-01-01T00:00:01.123456'],
  ["TIMESTAMP 'infinity'", 'infinity'],
  ['1234567890123456.7891::DECIMAL(20, 4)', '1234567890123456.7891'],
  ['9007199254740993::BIGINT', 9007199254740993n],
  ['170141183460469231731687303715884105727::HUGEINT', 170141183460469231731687303715884105727n],
  ["'nan'::DOUBLE", Number.NaN],
  ['NULL::DATE', null],
  ['true', true],
  ["[DATE '1874-12-09', NULL]", ['1874-12-09', null]],
  [`{'at': ${point}, 'of': [1.50::DECIMAL(4, 2)]}`, { at: '2019-12-31T22:00:00.123456Z', of: ['1.50'] }],
  ["MAP {DATE '2000-01-01': 1::BIGINT}", new Map([['2000-01-01', 1n]])],
  ["'\\xFF'::BLOB", Buffer.from([0xff])],
  ["TIME '12:34:56.7'", '12:34:56.7'],
  ['INTERVAL 3 DAY', '3 days'],
])('%s is given as it is written', async (sql, value) => {
  const [row] = await duckdb.withConnection((connection) => connection.select(`SELECT ${sql} AS value`, {}))
  expect(row!.value).toEqual(value)
})
