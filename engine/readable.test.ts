import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dayText, timeText, timeTextOf } from './readable.ts'

test('a day is written as one, before 1970 and past 9999 too', () => {
  expect([0, -1, 10_592, -34_721, 2_932_897, -719_529].map(dayText)).toEqual([
    '1970-01-01',
    '1969-12-31',
    '1999-01-01',
    '1874-12-09',
    '+010000-01-01',
    '-000001-12-31',
  ])
})

test('a time has its microseconds, and a zone only where it has one', () => {
  expect(timeText(1_577_836_800_123_456n, 'Z')).toBe('2020-01-01T00:00:00.123456Z')
  expect(timeText(-1n, 'Z')).toBe('1969-12-31T23:59:59.999999Z')
  expect(timeText(0n, '')).toBe('1970-01-01T00:00:00.000000')
})

test("the ends of an engine's range are its infinities", () => {
  expect([dayText(2_147_483_647), dayText(-2_147_483_647)]).toEqual(['infinity', '-infinity'])
  expect([timeText(2n ** 63n - 1n, 'Z'), timeText(-(2n ** 63n - 1n), 'Z')]).toEqual(['infinity', '-infinity'])
})

test('a time keeps its microseconds through its text', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 16n), max: 10n ** 17n }), (micros) => {
      const text = timeText(micros, 'Z')
      const rest = BigInt(text.slice(-4, -1))
      expect(BigInt(Date.parse(`${text.slice(0, -4)}Z`)) * 1000n + rest).toBe(micros)
    }),
  )
})

test('what a service writes with a space and fewer digits comes out alike', () => {
  expect(timeTextOf('2020-01-01 00:00:00.5', 'Z')).toBe('2020-01-01T00:00:00.500000Z')
  expect(timeTextOf('1900-01-01 00:00:00', 'Z')).toBe('1900-01-01T00:00:00.000000Z')
  expect(timeTextOf('2020-01-01 00:00:00.123456789', '')).toBe('2020-01-01T00:00:00.123456')
})
