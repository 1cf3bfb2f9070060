import fc from 'fast-check'
import { expect, test } from 'vitest'
import { int64, parseJson, printJson } from './int64-json.ts'

test('integers beyond doubles survive', () => {
  const text =
    '{"a":9007199254740993,"b":-9223372036854775808,"c":9223372036854775807,"d":1,"e":[1.5e300,12345678901234567890]}'
  expect(printJson(parseJson(text))).toBe(text.replace('1.5e300', '1.5e+300'))
  expect(parseJson('9007199254740993')).toBe(9007199254740993n)
  expect(int64(parseJson('9007199254740991'))).toBe(9007199254740991n)
})

test('what is no integer is none', () => {
  for (const text of ['1.5', '"1"', 'null', 'true', '1.0000000000000001e+30', '{}'])
    expect(int64(parseJson(text)), text).toBeNull()
})

test('any JSON value is parsed as by JSON.parse, but for long integers', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value, long) => {
      const { value: parsed, long: same } = parseJson(`{"value":${JSON.stringify(value)},"long":${long}}`) as {
        value: unknown
        long: unknown
      }
      expect(int64(same)).toBe(long)
      // JSON.parse has lost digits of such integers already when the value was made
      const back = JSON.parse(printJson(parsed))
      expect(back).toEqual(JSON.parse(JSON.stringify(value)))
    }),
  )
})
