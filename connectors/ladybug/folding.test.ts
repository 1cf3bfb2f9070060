import { expect, test } from 'vitest'
import { folding } from './folding.ts'

const mib = 2 ** 20

test('readers that do not end are waited for longer, and more often, as the log grows', () => {
  const { patienceMs, tried } = folding()
  const attempts: (readonly [mib: number, ms: number])[] = []
  for (let bytes = 0; bytes <= 40 * mib; bytes += mib) {
    const ms = patienceMs(bytes)
    if (ms === null) continue
    attempts.push([bytes / mib, ms])
    tried(bytes) // in vain
  }
  expect(attempts.map(([at]) => at)).toEqual([16, 20, 24, 28, 32, 36, 40])
  expect(attempts.map(([, ms]) => ms)).toEqual([1000, 1250, 1500, 1750, 2000, 2250, 2500])
  expect(patienceMs(2 ** 30)).toBe(15_000)
})

test('a log that was folded is let grow again', () => {
  const { patienceMs, tried } = folding()
  tried(20 * mib)
  tried(1 * mib)
  expect([patienceMs(15 * mib), patienceMs(16 * mib)]).toEqual([null, 1000])
})
