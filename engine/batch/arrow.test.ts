import {
  Bool,
  type DataType,
  Dictionary,
  Field,
  FixedSizeList,
  Float64,
  Int32,
  Int64,
  List,
  Schema,
  Struct,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deadLetterSchema } from '../dead-letter.ts'
import type { Column } from '../schema.ts'
import { complement, nullColumn, runLength, runsOf, takeColumn } from './arrow.ts'
import { arrowField, columnsOf } from './arrow-types.ts'

const types: readonly [string, DataType, fc.Arbitrary<unknown>][] = [
  ['int64', new Int64(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
  ['bool', new Bool(), fc.boolean()],
  ['utf8', new Utf8(), fc.string({ unit: 'grapheme' })],
  ['list', new List(new Field('element', new Utf8(), true)), fc.array(fc.string(), { maxLength: 3 })],
  ['fixed list', new FixedSizeList(2, new Field('element', new Float64(), true)), fc.tuple(fc.integer(), fc.integer())],
  [
    'struct',
    new Struct<{ a: Int32; b: Utf8 }>([new Field('a', new Int32(), true), new Field('b', new Utf8(), true)]),
    fc.record({ a: fc.integer(), b: fc.option(fc.string()) }),
  ],
  ['dictionary', new Dictionary(new Utf8(), new Int32()), fc.constantFrom('x', 'y')],
]

test.each(types)('rows taken from a %s column are the rows of the column', (_, type, value) => {
  const values = fc.array(fc.option(value, { freq: 4 }), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(values, fc.nat(), fc.infiniteStream(fc.boolean()), (all, cut, coins) => {
      const column = vectorFromArray(all, type).data[0]!
      const from = cut % all.length
      const slice = column.slice(from, all.length - from) // offsets into shared buffers must be honoured
      const rows = Array.from({ length: slice.length }, (_, row) => row).filter(() => coins.next().value)
      const taken = takeColumn(slice, runsOf(rows))
      const plain = (data: typeof taken) =>
        JSON.stringify([...vectorOf(data)], (_, v) => (typeof v === 'bigint' ? `${v}` : v))
      const expected = [...vectorOf(slice)].filter((_, row) => rows.includes(row))
      expect(plain(taken)).toBe(JSON.stringify(expected, (_, v) => (typeof v === 'bigint' ? `${v}` : v)))
      expect(taken.nullCount).toBe(expected.filter((item) => item === null).length)
    }),
    { numRuns: 60 },
  )
})

function vectorOf(data: ReturnType<typeof takeColumn>) {
  return new (vectorFromArray([1]).constructor as new (data: unknown[]) => Iterable<unknown>)([data])
}

test('runs and their complement share out all rows', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(40)), (rows) => {
      const sorted = rows.toSorted((a, b) => a - b)
      const runs = runsOf(sorted)
      expect(runLength(runs)).toBe(rows.length)
      expect(runLength(runs) + runLength(complement(runs, 41))).toBe(41)
    }),
  )
})

test('a column of nulls can be made of every type', () => {
  for (const field of deadLetterSchema.fields) {
    const column = nullColumn(field.type, 5)
    expect(column.nullCount).toBe(5)
    expect([...vectorOf(column)]).toEqual(Array(5).fill(null))
  }
})

test('column types survive the way to Arrow and back', () => {
  const column: Column = {
    name: 'c',
    type: {
      kind: 'struct',
      fields: [
        { name: 'm', type: { kind: 'map', key: 'string', value: { kind: 'array', element: 'double' } } },
        { name: 'd', type: { kind: 'decimal', precision: 18, scale: 3 } },
        { name: 't', type: 'timestamp_ntz' },
        { name: 'b', type: 'byte' },
      ],
    },
  }
  expect(columnsOf(new Schema([arrowField(column)]))).toEqual([column])
})
