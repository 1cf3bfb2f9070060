import fc from 'fast-check'
import { expect, test } from 'vitest'
import { logRetentionMs, parseRetention, retentionMs, retentionProperties } from './retention.ts'

test('a retention is read from the properties that it was written to, and the log is kept for an hour at least', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1000, max: 2 ** 31 }), (ms) => {
      const configuration = retentionProperties(ms)
      expect(Number(retentionMs({ configuration }))).toBe(ms)
      expect(Number(logRetentionMs({ configuration }))).toBe(Math.max(ms, 3_600_000))
      for (const text of Object.values(configuration))
        expect(text).toMatch(/^interval \d+ (day|hour|minute|second|millisecond)s?$/)
    }),
  )
  expect(Object.values(retentionProperties(7 * 86_400_000))).toEqual(['interval 7 days', 'interval 7 days'])
})

test.each([['15'], ['-1m'], ['0s'], ['1 fortnight'], [''], [15]])('%j is no retention', (text) => {
  expect(parseRetention(text)).toBeNull()
})
