import { expect, test } from 'vitest'
import { readValue } from './result-values.ts'

test.each<[type: string, value: unknown, read: unknown]>([
  ['Int64', '-9223372036854775808', -(2n ** 63n)],
  ['Nullable(UInt8)', 1, 1n],
  ['Nullable(Int64)', null, null],
  ['Date32', '1999-01-01', '1999-01-01'],
  ["DateTime64(6, 'UTC')", '2020-01-01 00:00:00.123456', '2020-01-01T00:00:00.123456Z'],
  ['DateTime', '2020-01-01 00:00:00', '2020-01-01T00:00:00.000000Z'],
  ['Nullable(Decimal(20, 4))', '1234567890123456.7891', '1234567890123456.7891'],
  ['Float64', 'nan', Number.NaN],
  ['Float64', '-inf', -Infinity],
  ['Float64', 1.5, 1.5],
  ['Array(Array(DateTime64(3)))', [['2020-01-01 00:00:00.5']], [['2020-01-01T00:00:00.500000Z']]],
  [
    "Tuple(`a ``b` Int64, at DateTime64(6, 'UTC'), list Array(Nullable(Int64)))".replace('``', '\\`'),
    { 'a `b': '1', at: '2020-01-01 00:00:00', list: ['2', null] },
    { 'a `b': 1n, at: '2020-01-01T00:00:00.000000Z', list: [2n, null] },
  ],
  ['Tuple(Int64, Tuple(String, Int64))', ['1', ['x', '2']], [1n, ['x', 2n]]],
  ['Map(String, Int64)', { a: '1' }, new Map([['a', 1n]])],
  ['LowCardinality(String)', 'x', 'x'],
])('%s %o', (type, value, read) => {
  expect(readValue(value, type)).toEqual(read)
})
