import { expect, test } from 'vitest'
import { folding } from './folding.ts'

const mib = 2 ** 20

test('readers that do not end are waited for longer, and more often, as the log grows', () => {
  const { patienceMs, tried } = folding()
  const attempts: (readonly [mib: number, ms: number])[] = []
  for (let bytes = 0; bytes <= 10 * mib; bytes += mib / 4) {
    const ms = patienceMs(bytes)
    if (ms === null) continue
    attempts.push([bytes / mib, ms])
    tried(bytes) // in vain
  }
  expect(attempts.map(([at]) => at)).toEqual([4, 5, 6, 7, 8, 9, 10])
  expect(attempts.map(([, ms]) => ms)).toEqual([1000, 1250, 1500, 1750, 2000, 2250, 2500])
  expect(patienceMs(2 ** 30)).toBe(15_000)
})

test('a log that was folded is let grow again', () => {
  const { patienceMs, tried } = folding()
  tried(5 * mib)
  tried(1 * mib)
  expect([patienceMs(3 * mib), patienceMs(4 * mib)]).toEqual([null, 1000])
})
