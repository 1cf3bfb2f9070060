import fc from 'fast-check'
import { expect, test } from 'vitest'
import { admits } from './fence.ts'
import { endOf } from './position.ts'

const range = (start: bigint, end: bigint) => [{ sourcePartition: 'a/0', start, end }]

test('a range is admitted at its start only: a gap and an overlap are refused alike', () => {
  expect(admits(new Map([['a/0', 5n]]), range(5n, 9n), new Map())).toBe(true)
  expect(admits(new Map([['a/0', 4n]]), range(5n, 9n), new Map())).toBe(false)
  expect(admits(new Map([['a/0', 6n]]), range(5n, 9n), new Map())).toBe(false)
})

test('a partition that was never written begins at its initial offset, or at 0', () => {
  expect(admits(new Map(), range(0n, 1n), new Map())).toBe(true)
  expect(admits(new Map(), range(100n, 200n), new Map([['a/0', 100n]]))).toBe(true)
  expect(admits(new Map(), range(0n, 1n), new Map([['a/0', 100n]]))).toBe(false)
  expect(admits(new Map([['a/0', 0n]]), range(100n, 200n), new Map([['a/0', 100n]]))).toBe(false)
})

test('one range that does not fit refuses the whole batch', () => {
  const ranges = [...range(5n, 9n), { sourcePartition: 'a/1', start: 3n, end: 4n }]
  expect(admits(new Map(Object.entries({ 'a/0': 5n, 'a/1': 3n })), ranges, new Map())).toBe(true)
  expect(admits(new Map(Object.entries({ 'a/0': 5n, 'a/1': 4n })), ranges, new Map())).toBe(false)
})

test('what was committed once is refused the second time, unless it covered nothing', () => {
  const span = fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }))
  fc.assert(
    fc.property(span, ([a, b]) => {
      const [start, end] = a < b ? [a, b] : [b, a]
      const ranges = range(start, end)
      expect(admits(new Map([['a/0', start]]), ranges, new Map())).toBe(true)
      expect(admits(endOf(ranges), ranges, new Map())).toBe(start === end)
    }),
  )
})
