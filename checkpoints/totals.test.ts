import { expect, test } from 'vitest'
import { totalsAfter, totalsIn } from './totals.ts'

const ranges = (...partitions: string[]) => partitions.map((sourcePartition) => ({ sourcePartition }))

test('commits of different partitions add up, whoever made them', () => {
  const [a, b] = totalsAfter(new Map(), ranges('t/0', 't/1'), { rows: 3 })
  const held = new Map<string, string | null>([
    ['t/0', a!],
    ['t/1', b!],
  ])
  const [second] = totalsAfter(held, ranges('t/1'), { rows: 2, skipped: 1 })
  const [first] = totalsAfter(held, ranges('t/0'), { rows: 4 }) // at the same time, by another process
  expect(totalsIn([first!, second!])).toEqual({ rows: 9, skipped: 1 })
})

test('positions without totals say nothing of them', () => {
  expect(totalsIn([])).toBeUndefined()
  expect(totalsIn([null, null])).toBeUndefined()
  expect(totalsIn([null, ...totalsAfter(new Map([['t/0', null]]), ranges('t/0'), { rows: 1 })])).toEqual({ rows: 1 })
})
