import fc from 'fast-check'
import { expect, test } from 'vitest'
import { availableRanges, shareLimits } from './plan.ts'

test('reading goes on at the position, begins at the configured start, and skips what is read up', () => {
  const position = new Map([
    ['t/0', 5n],
    ['t/1', 9n],
  ])
  const initial = new Map([
    ['t/0', 0n],
    ['t/2', 3n],
  ])
  const latest = new Map([
    ['t/2', 4n],
    ['t/0', 7n],
    ['t/1', 9n],
  ])
  expect(availableRanges(position, initial, latest)).toEqual([
    { sourcePartition: 't/0', start: 5n, end: 7n },
    { sourcePartition: 't/2', start: 3n, end: 4n },
  ])
})

test('shares never exceed the limit, never starve a range, and leave nothing unused while there is need', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 8, max: 3000 }),
      (counts, maxRecords) => {
        const shares = shareLimits(counts, { maxRecords, maxBytes: 1_000_000 })
        const total = shares.reduce((sum, share) => sum + share.maxRecords, 0)
        expect(total).toBe(
          Math.min(
            maxRecords,
            counts.reduce((a, b) => a + b, 0),
          ),
        )
        expect(Math.min(...shares.map((share) => share.maxRecords))).toBeGreaterThanOrEqual(1)
        expect(shares.reduce((sum, share) => sum + share.maxBytes, 0)).toBeLessThanOrEqual(1_000_000)
      },
    ),
  )
})
