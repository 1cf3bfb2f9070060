import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Column, ColumnStatistics, DataType } from '../../engine/schema.ts'
import type { AddFile } from './actions.ts'
import { parseJson } from './int64-json.ts'
import { mayMatchRange, mayMatchRanges, printStatistics, rowsOf } from './statistics.ts'

type Bound = bigint | number | string

function addWith(stats: string): AddFile {
  return { path: 'f', partitionValues: {}, size: 1n, modificationTime: 0n, dataChange: true, stats }
}

function fileOf(type: DataType, statistics: Omit<ColumnStatistics, 'path'>, rows = 10): AddFile {
  return addWith(
    printStatistics({ rows, columns: [{ name: 'c', type }], statistics: [{ path: ['c'], ...statistics }] }),
  )
}

const comparators: Record<string, (left: Bound, right: Bound) => number> = {
  string: (left, right) => Buffer.compare(Buffer.from(left as string), Buffer.from(right as string)),
}
const values: Record<string, fc.Arbitrary<Bound>> = {
  string: fc.oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc
      .array(fc.constantFrom('a', '\u{10ffff}', '\uffff', '\u{10000}', '\ud7ff', '\u007f'), { maxLength: 40 })
      .map((all) => all.join('')),
  ),
  long: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  timestamp: fc.bigInt({ min: -62_200_000_000_000_000n, max: 253_500_000_000_000_000n }),
  timestamp_ntz: fc.bigInt({ min: -2_000_000n, max: 2_000_000n }),
  double: fc.double({ noNaN: true }),
  float: fc.float({ noNaN: true }),
}

test.each(Object.keys(values))('skipping by the statistics of a %s column loses no row', (name) => {
  const type = name as DataType
  const compare = comparators[name] ?? ((left, right) => (left < right ? -1 : left > right ? 1 : 0))
  fc.assert(
    fc.property(fc.array(values[name]!, { minLength: 1 }), fc.nat(), (rows, which) => {
      const sorted = rows.toSorted(compare)
      const add = fileOf(type, { min: sorted[0]!, max: sorted.at(-1)!, nullCount: 0 }, rows.length)
      const value = rows[which % rows.length]!
      expect(mayMatchRange(add, { path: ['c'], type, min: value, max: value })).toBe(true)
    }),
    { numRuns: 1000 },
  )
})

test('files whose bounds lie outside are skipped', () => {
  const range = (type: DataType, min: Bound, max: Bound) => ({ path: ['c'], type, min, max })
  const longs = fileOf('long', { min: 2n ** 53n + 1n, max: 2n ** 53n + 1n, nullCount: 0 })
  expect(mayMatchRange(longs, range('long', 2n ** 53n, 2n ** 53n))).toBe(false)
  expect(mayMatchRange(longs, range('long', 2n ** 53n + 1n, 2n ** 53n + 2n))).toBe(true)
  expect(mayMatchRange(longs, range('long', 2n ** 53n + 2n, 2n ** 54n))).toBe(false)
  const texts = fileOf('string', { min: 'b', max: 'd'.repeat(40), nullCount: 0 })
  expect(mayMatchRange(texts, range('string', 'a', 'az'))).toBe(false)
  expect(mayMatchRange(texts, range('string', `${'d'.repeat(31)}e`, 'z'))).toBe(true)
  expect(mayMatchRange(texts, range('string', 'e', 'z'))).toBe(false)
  const nulls = fileOf('long', { nullCount: 10 })
  expect(mayMatchRange(nulls, range('long', 0n, 1n))).toBe(false)
})

test('the upper bound of timestamps covers the microseconds that were floored', () => {
  const at = (text: string, micros = 0n): bigint => BigInt(Date.parse(text)) * 1000n + micros
  const add = fileOf('timestamp', {
    min: at('1969-12-31T23:59:59.999Z', 500n),
    max: at('2020-01-01T00:00:00.123Z', 456n),
    nullCount: 0,
  })
  expect(add.stats).toContain('"minValues":{"c":"1969-12-31T23:59:59.999Z"}')
  expect(add.stats).toContain('"maxValues":{"c":"2020-01-01T00:00:00.123Z"}')
  const seek = (micros: bigint) => mayMatchRange(add, { path: ['c'], type: 'timestamp', min: micros, max: micros })
  expect(seek(at('2020-01-01T00:00:00.123Z', 456n))).toBe(true)
  expect(seek(at('2020-01-01T00:00:00.123Z', 999n))).toBe(true)
  expect(seek(at('2020-01-01T00:00:00.124Z'))).toBe(false)
  expect(seek(at('1969-12-31T23:59:59.998Z', 999n))).toBe(false)
})

test('missing, foreign or damaged statistics never skip a file', () => {
  const range = { path: ['c'], type: 'long' as const, min: 1n, max: 1n }
  for (const stats of ['', '{', 'null', '[]', '{"numRecords":1}', '{"minValues":{"c":"NaN"},"maxValues":{"c":"NaN"}}'])
    expect(mayMatchRange(addWith(stats), range), stats).toBe(true)
  const { stats: _, ...without } = addWith('')
  expect(mayMatchRange(without, range)).toBe(true)
  expect(rowsOf(without)).toBeNull()
  const zoned = addWith(
    '{"minValues":{"c":"2000-01-01T00:00:00.000-08:00"},"maxValues":{"c":"2000-01-01T00:00:00.000-08:00"}}',
  )
  const instant = BigInt(Date.parse('2000-01-01T08:00:00Z')) * 1000n
  expect(mayMatchRange(zoned, { path: ['c'], type: 'timestamp', min: instant, max: instant })).toBe(true)
  expect(mayMatchRange(zoned, { path: ['c'], type: 'timestamp', min: instant + 1000n, max: instant + 1000n })).toBe(
    false,
  )
})

test('a file must overlap every range', () => {
  const add = addWith(
    '{"numRecords":3,"minValues":{"a":1,"s":{"b":"x"}},"maxValues":{"a":5,"s":{"b":"y"}},"nullCount":{}}',
  )
  const a = { path: ['a'], type: 'long' as const, min: 2n, max: 2n }
  expect(mayMatchRanges(add, [a, { path: ['s', 'b'], type: 'string', min: 'xx', max: 'xx' }])).toBe(true)
  expect(mayMatchRanges(add, [a, { path: ['s', 'b'], type: 'string', min: 'a', max: 'b' }])).toBe(false)
  expect(rowsOf(add)).toBe(3n)
})

test('statistics mirror the schema, for the first 32 leaf columns only', () => {
  const columns: Column[] = [
    {
      name: 's',
      type: {
        kind: 'struct',
        fields: [
          { name: 'x', type: 'long' },
          { name: '__proto__', type: 'string' },
        ],
      },
    },
    { name: 'list', type: { kind: 'array', element: 'long' } },
    ...Array.from({ length: 40 }, (_, i): Column => ({ name: `c${i}`, type: 'long' })),
  ]
  const statistics: ColumnStatistics[] = [
    { path: ['s', 'x'], min: 9007199254740993n, max: 9007199254740993n, nullCount: 1 },
    { path: ['s', '__proto__'], min: 'a', max: 'b', nullCount: 0 },
    ...Array.from({ length: 40 }, (_, i) => ({ path: [`c${i}`], min: 0n, max: BigInt(i), nullCount: 0 })),
  ]
  const text = printStatistics({ rows: 2, columns, statistics })
  expect(text).toContain('"minValues":{"s":{"x":9007199254740993,"__proto__":"a"},"c0":0')
  const { nullCount } = parseJson(text) as { nullCount: Record<string, unknown> }
  expect(Object.keys(nullCount)).toEqual(['s', ...Array.from({ length: 29 }, (_, i) => `c${i}`)])
})

test('infinite and not-a-number bounds, and unpaired surrogates, are left out', () => {
  for (const [type, min, max] of [
    ['double', Number.NEGATIVE_INFINITY, Number.NaN],
    ['string', '\ud800', '\udfff'],
    ['timestamp', -(2n ** 62n), 2n ** 62n],
  ] as const)
    expect(fileOf(type, { min, max, nullCount: 0 }).stats).toContain('"minValues":{},"maxValues":{}')
  const top = '\u{10ffff}'.repeat(33)
  expect(fileOf('string', { min: top, max: top, nullCount: 0 }).stats).toContain('"maxValues":{}')
})
