import { expect, test } from 'vitest'
import { shortName } from './short-name.ts'

test('names that fit stay as they are, and longer ones differ as they did', () => {
  const long = 'a'.repeat(300)
  expect(shortName('a'.repeat(249), 249)).toBe('a'.repeat(249))
  const names = [long, `${long}b`, `${long}c`, `b${long}`].map((name) => shortName(name, 249))
  expect(new Set(names).size).toBe(4)
  for (const name of names) expect(name).toMatch(/^[ab]{232}-[0-9a-f]{16}$/)
})
