import { expect, test } from 'vitest'
import { valueProblems } from './parameters.ts'

test.each<[type: string, good: readonly string[], bad: readonly string[], allowed: string]>([
  ['UInt8', ['0', '255'], ['256', '-1', '1.5', '1e2', '', ' 1', '0x1'], 'a whole number from 0 to 255'],
  ['Int16', ['-32768', '32767'], ['32768', '--1'], 'a whole number from -32768 to 32767'],
  ['UInt64', ['18446744073709551615'], ['18446744073709551616'], 'a whole number from 0 to 18446744073709551615'],
  ['Float64', ['1', '-1.5', '.5', '1e-3'], ['one', '', '1,5', 'NaN'], 'a number'],
  ['Bool', ['true', 'false'], ['yes', ''], 'true or false'],
  ['Date32', ['1874-12-09', '2024-02-29'], ['2023-02-29', '09.12.1874', '1874-12-9'], 'a day, as in 1999-12-31'],
  [
    'DateTime',
    ['1999-12-31 23:59:59'],
    ['1999-12-31', '1999-13-31 00:00:00'],
    'a time in UTC, as in 1999-12-31 23:59:59',
  ],
  ['String', ['', 'x'], [], ''],
])('values of %s', (type, good, bad, allowed) => {
  const problems = (value: string) => valueProblems(`SELECT {p:${type}}, {p:${type}}`, { p: value })
  for (const value of good) expect(problems(value), value).toEqual([])
  for (const value of bad)
    expect(problems(value), value).toEqual([`p: must be ${allowed}, not ${JSON.stringify(value)}`])
})
