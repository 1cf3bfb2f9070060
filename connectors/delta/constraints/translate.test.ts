import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Duckdb, openDuckdb } from '../../../engine/duckdb.ts'
import type { Column } from '../../../engine/schema.ts'
import { untranslatable } from './constraints.ts'
import { translate } from './translate.ts'

const columns: readonly Column[] = [
  { name: 'id', type: 'long' },
  { name: 'tiny', type: 'byte' },
  { name: 'n', type: 'integer' },
  { name: 'x', type: 'double' },
  { name: 'f', type: 'float' },
  { name: 'price', type: { kind: 'decimal', precision: 9, scale: 2 } },
  { name: 'name', type: 'string' },
  { name: 'flag', type: 'boolean' },
  { name: 'date', type: 'date' },
  { name: 'at', type: 'timestamp' },
  { name: 'local', type: 'timestamp_ntz' },
  { name: 'bytes', type: 'binary' },
  { name: 'odd name', type: 'long' },
  { name: 'tags', type: { kind: 'array', element: 'string' } },
  {
    name: 's',
    type: {
      kind: 'struct',
      fields: [
        { name: 'A', type: 'long' },
        { name: 'b.c', type: 'string' },
      ],
    },
  },
]
const row = `SELECT 9007199254740993 AS id, 127::TINYINT AS tiny, 7::INTEGER AS n, 'NaN'::DOUBLE AS x, 0.1::FLOAT AS f,
  1.50::DECIMAL(9, 2) AS price, 'a_b%ж🎬' AS name, true AS flag, DATE '1899-12-31' AS date,
  TIMESTAMPTZ '2026-01-01 00:00:00+00' AS at, TIMESTAMP '2026-01-01 00:00:00' AS local, 'x'::BLOB AS bytes,
  NULL::BIGINT AS "odd name", ['t'] AS tags, {'A': 1::BIGINT, 'b.c': NULL::VARCHAR} AS s`

let duckdb: Duckdb
const dir = mkdtempSync(join(tmpdir(), 'millrace-constraints-'))
beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: dir })
})
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true })
})

// what Spark 4 makes of them over the same row
test.each<readonly [string, boolean | null]>([
  ['id > 9007199254740992', true],
  ['ID >= 0 AND n <> 7', false],
  ['NOT n = 8', true],
  ['! flag or n == 7', true],
  ['id > 0 OR `odd name` > 0', true],
  ['`odd name` > 0', null],
  ['`odd name` > 0 AND flag', null],
  ['`odd name` > 0 AND NOT flag', false],
  ['`odd name` IS NULL', true],
  ['s.a = 1', true],
  ['s.`b.c` IS NOT NULL', false],
  ['s IS NOT NULL AND tags IS NOT NULL AND bytes IS NOT NULL', true],
  [`name IN ('x', 'a_b%ж🎬')`, true],
  [`name NOT IN ('x', NULL)`, null],
  ['n BETWEEN 1 AND 7 AND n NOT BETWEEN 8 AND 9', true],
  [`name LIKE 'a__%' AND name LIKE '%🎬' AND name NOT LIKE 'A%'`, true],
  ['length(name) = 6', true],
  ['char_length(name) > 6', false],
  ['abs(-n) = 7 AND -n < 0 AND abs(tiny) = 127', true],
  ['coalesce(`odd name`, -1) = -1', true],
  ['tiny + 1 = 128', true],
  ['n / 2 = 3.5', true],
  ['n / 0 > 0', null],
  ['n % 4 = 3 AND -n % 4 = -3', true],
  ['n % 0 = 0', null],
  ['2 + 3 * 4 - 1 = 13 AND (2 + 3) * 4 = 20', true],
  ['x = x AND x > 1e308', true],
  ['f > 0.1', true], // a float beside a decimal is compared as a double
  ['price * 2 = 3 AND price + 0.005 > 1.504 AND price = 1.5', true],
  ['price < 1.5000001', true],
  [`date < '1900-01-01' AND date = DATE '1899-12-31'`, true],
  [`at = '2026-01-01T01:00:00+01:00' AND '2026-01-01T00:00:00.000001Z' > at`, true],
  [`local >= '2026-01-01 00:00:00'`, true],
  ['`odd name` <=> NULL', true],
  ['flag = true AND flag', true],
])('%s is %s', async (expression, expected) => {
  const { sql } = translate(expression, columns)
  const [found] = await duckdb.withConnection((connection) => connection.rows(`SELECT ${sql} AS value FROM (${row})`))
  expect(found!.value).toBe(expected)
})

test.each([
  ['n', 'a condition that is integer'],
  ['null', 'a condition that is null'],
  ['missing > 1', 'the name missing'],
  ['s.x > 1', 'the name s.x'],
  ['upper(name) = name', 'the function upper of string'],
  [`name = 'it\\'s'`, 'what begins at'],
  [`name = 'it''s'`, 'what begins at'],
  [`name = "x"`, 'what begins at'],
  ['name = 1', 'string compared with integer'],
  ['name > n', 'string compared with integer'],
  ['bytes = bytes', 'binary compared with binary'],
  ['date < at', 'date compared with timestamp'],
  [`at > '2026-01-01 00:00:00'`, 'compared with'], // of which zone?
  [`date > '2026-02-30'`, 'the day'],
  ['f = id', 'float compared with long'],
  ['f + 1 > 0', '+ of float and integer'],
  ['price / 2 > 0', 'division of decimals'],
  ['n AND flag', 'integer where true or false belongs'],
  ['CASE WHEN flag THEN true ELSE false END', 'CASE'],
  ['cast(n AS string) = name', '"AS"'],
  ['n > (SELECT 1)', '"1"'],
  ['n > 1 -- AND n < 0', 'a comment'],
  ['n > 1; DROP TABLE x', 'what begins at "; DROP'],
  ['n > 1 n', '"n"'],
  ['n >', '"the end"'],
  ['(n > 1', '"the end"'],
  ['n > 99999999999999999999', 'the number'],
  ['', '"the end"'],
])('%s is not translated: %s', (expression, reason) => {
  expect(untranslatable(expression, columns)).toContain(reason)
})

test('an expression of any length or depth is refused in words, and takes no stack', () => {
  const expressions = [
    `${'('.repeat(200_000)}id > 0${')'.repeat(200_000)}`,
    `${'('.repeat(101)}id > 0${')'.repeat(101)}`,
    `${'NOT '.repeat(300_000)}true`,
    `${'NOT '.repeat(3_000)}true`,
    `id ${'+ 1 '.repeat(4_900)}> 0`,
    `${'- '.repeat(9_000)}id > 0`,
  ]
  for (const expression of expressions)
    expect(untranslatable(expression, [{ name: 'id', type: 'long' }])).toMatch(/more than/)
  for (const expression of [
    `${'('.repeat(100)}id > 0${')'.repeat(100)}`,
    `id ${'+ 1 '.repeat(900)}> 0`,
    `${'NOT '.repeat(1_900)}true`,
  ])
    expect(untranslatable(expression, [{ name: 'id', type: 'decimal(38,0)' as never }]) ?? '').not.toMatch(/more than/)
})
