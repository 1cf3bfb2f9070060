import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Column } from '../../engine/schema.ts'
import { localStore } from '../storage/local.ts'
import type { AddFile } from './actions.ts'
import { translate } from './constraints/translate.ts'
import { type Outcomes, outcomesOf } from './file-outcomes.ts'
import { batch, openTestLake, type TestLake } from './lake.testing.ts'
import { localDataFile, selectFiles } from './read.ts'
import { liveFiles } from './tables.testing.ts'

let lake: TestLake
let tables = 0
beforeAll(async () => {
  lake = await openTestLake(localStore)
})
afterAll(() => lake.close())

const columns: readonly Column[] = [
  { name: 'id', type: 'long' },
  { name: 'name', type: 'string' },
  { name: 'day', type: 'date' },
  { name: 'at', type: 'timestamp' },
  { name: 'x', type: 'double' },
  { name: 'flag', type: 'boolean' },
  { name: 'Kind', type: 'string' },
]

function add(partitionValues: AddFile['partitionValues'], stats?: object): AddFile {
  const given = stats === undefined ? {} : { stats: JSON.stringify(stats) }
  return { path: 'f', partitionValues, size: 1n, modificationTime: 0n, dataChange: true, ...given }
}

function told(expression: string, file: AddFile): string {
  return text(outcomesOf({ expression, columns })(file))
}

function text({ true: yes, false: no, null: neither }: Outcomes): string {
  return [yes ? 'true' : '', no ? 'false' : '', neither ? 'null' : ''].filter((word) => word !== '').join(' ')
}

const stats = {
  numRecords: 10,
  minValues: { id: 5, name: 'b', day: '2026-01-01', at: '2026-01-01T00:00:00.000Z' },
  maxValues: { id: 9, name: 'd', day: '2026-01-31', at: '2026-01-01T00:00:00.999Z' },
  nullCount: { id: 0, name: 0, day: 2, at: 0, x: 10 },
}

test.each([
  ['id > 9', 'false'],
  ['id >= 5', 'true'],
  ['5 <= ID', 'true'],
  ['id > 5', 'true false'],
  ['id = 7', 'true false'],
  ['id <> 4', 'true'],
  ['id <=> NULL', 'true false null'],
  ['id BETWEEN 1 AND 4', 'false'],
  ['id NOT BETWEEN 1 AND 4', 'true'],
  ['id IN (1, 2, 10)', 'false'],
  ['id < 5 OR id > 9', 'false'],
  ['id >= 5 AND id <= 9', 'true'],
  ['NOT (id >= 5)', 'false'],
  ['id IS NOT NULL', 'true'],
  ['x IS NULL', 'true'],
  ['x IS NOT NULL AND id > 0', 'false'],
  [`name > 'd'`, 'true false'], // an upper bound may be that of longer texts
  [`name > 'e'`, 'false'],
  [`name >= 'a'`, 'true'],
  [`name >= 'b'`, 'true false'], // and of two texts nobody says what lies between
  [`day < '2026-01-01'`, 'true false null'],
  [`day < DATE '2025-12-31'`, 'false null'],
  [`at < '2026-01-01T00:00:00Z'`, 'false'],
  [`at < '2026-01-01T00:00:01Z'`, 'true'],
  [`at <= '2026-01-01T01:00:00.999500+01:00'`, 'true false'], // upper bounds are cut to milliseconds
  ['x > 1', 'true false null'], // NaN is no bound
  ['id + 1 > 0', 'true false null'],
  ['id > 1.5', 'true false null'],
  ['flag', 'true false null'],
  ['true', 'true'],
  ['NULL AND flag', 'false null'],
  ['flag AND false', 'false'],
])('of the rows of a file with statistics, %s is %s', (expression, expected) => {
  translate(expression, columns)
  expect(told(expression, add({}, stats))).toBe(expected)
})

test('a file without statistics may hold anything', () => {
  expect(told('id > 9', add({}))).toBe('true false null')
})

test.each([
  [`kind = 'a'`, 'a', 'true'],
  [`kind >= 'b'`, 'a', 'false'],
  [`kind = 'a'`, null, 'null'],
  [`kind = 'a'`, '', 'null'],
  [`kind <=> 'a'`, null, 'false'],
  ['kind IS NULL', null, 'true'],
  ['kind IS NULL', 'a', 'false'],
  [`kind IN ('x', 'a') AND id > 9`, 'a', 'true false null'],
  [`kind IN ('x', 'y') AND id > 9`, 'a', 'false'],
  [`kind = 'a' OR id > 9`, 'a', 'true'],
])('in a partition, %s of %s is %s', (expression, value, expected) => {
  expect(told(expression, add({ Kind: value }))).toBe(expected)
})

test('true or false in a partition, and times of which nobody knows the zone', () => {
  expect([told('flag', add({ flag: 'TRUE' })), told('NOT flag', add({ flag: 'true' }))]).toEqual(['true', 'false'])
  expect(told(`at > '2026-01-01T00:00:00Z'`, add({ at: '2027-01-01 00:00:00' }))).toBe('true false null')
  expect(told(`at > '2026-01-01T00:00:00Z'`, add({ at: '2027-01-01T00:00:00.000000Z' }))).toBe('true')
})

test('names of a relation are those of its columns, others are not known', () => {
  const of = (expression: string) => text(outcomesOf({ expression, columns, relation: 'target' })(add({}, stats)))
  expect([of('target.id > 9'), of('source.id > 9'), of('target.id > source.id')]).toEqual([
    'false',
    'true false null',
    'true false null',
  ])
})

// ---------------------------------------------------------------------------------------------- law

const literals: Readonly<Record<string, fc.Arbitrary<string>>> = {
  id: fc.integer({ min: -3, max: 3 }).map(String),
  name: fc.constantFrom('a', 'ab', 'b', 'ж', '🎬', 'a'.repeat(33)).map((each) => `'${each}'`),
  day: fc.integer({ min: 1, max: 5 }).map((day) => `DATE '2026-01-0${day}'`),
  at: fc.constantFrom('00.000001', '00.000999', '00.001', '01').map((s) => `'2026-01-01T00:00:${s}Z'`),
}
const comparison = fc.constantFrom(...Object.keys(literals)).chain((name) =>
  fc.oneof(
    fc
      .tuple(fc.constantFrom('=', '<>', '<', '<=', '>', '>=', '<=>'), literals[name]!)
      .map(([op, of]) => `${name} ${op} ${of}`),
    fc.tuple(literals[name]!, literals[name]!).map(([low, high]) => `${name} BETWEEN ${low} AND ${high}`),
    fc.tuple(literals[name]!, literals[name]!).map(([one, other]) => `${name} NOT IN (${one}, ${other})`),
    fc.constant(`${name} IS NULL`),
  ),
)
const { condition } = fc.letrec<{ condition: string }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3 },
    comparison,
    fc.tuple(tie('condition'), fc.constantFrom('AND', 'OR'), tie('condition')).map(([a, op, b]) => `(${a} ${op} ${b})`),
    tie('condition').map((a) => `NOT (${a})`),
  ),
}))
const anyRow = fc
  .tuple(
    ...['id', 'name', 'day', 'at'].map((name) =>
      fc.oneof({ weight: 4, arbitrary: literals[name]! }, { weight: 1, arbitrary: fc.constant('NULL') }),
    ),
  )
  .map(([id, name, day, at]) => `(${id}, ${name}, ${day}, ${at})`)

test('whatever a condition is of a row, it was said that it may be', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyRow, { minLength: 1, maxLength: 8 }),
      fc.constantFrom<readonly string[]>([], ['id'], ['name', 'at'], ['day']),
      fc.array(condition, { minLength: 5, maxLength: 5 }),
      async (rows, partitionBy, conditions) => {
        const path = `law${tables++}`
        const staged = await lake.stage(
          `SELECT id::BIGINT AS id, name::VARCHAR AS name, day::DATE AS day, "at"::TIMESTAMPTZ AS "at", 1 AS rest FROM (VALUES ${rows.join(', ')}) t(id, name, day, "at")`,
        )
        await lake.sink(path, { partitionBy }).commit(batch(0n, 1n, staged))
        const own = (await lake.table(path).snapshot())!.columns
        for (const file of (await liveFiles(lake.table(path))).values()) {
          const query = selectFiles({ columns: own, files: [await localDataFile(lake.store, path, file)] })
          for (const expression of conditions) {
            const { sql } = translate(expression, own)
            const values = await lake.query(`SELECT DISTINCT ${sql} AS value FROM (${query})`)
            const may = outcomesOf({ expression, columns: own })(file)
            for (const { value } of values)
              expect([expression, value, may[String(value) as keyof Outcomes]]).toEqual([expression, value, true])
          }
        }
      },
    ),
    { numRuns: 60 },
  )
})
