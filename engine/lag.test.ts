import { expect, test } from 'vitest'
import { type Available, lagAfter } from './lag.ts'

const range = (sourcePartition: string, start: bigint, end: bigint) => ({ sourcePartition, start, end })
const topic: Available = { shape: 'records', ranges: [range('t/0', 0n, 20n), range('t/1', 5n, 9n)], counts: [20, 4] }
const table: Available = { shape: 'table', ranges: [range('id', 3n, 8n)], counts: [100] }

test('what was read to its end leaves nothing, though most offsets held no record', () => {
  expect(lagAfter([topic], topic.ranges, 5)).toBe(0)
  expect(lagAfter([table], table.ranges, 60)).toBe(0)
})

test('what was read in part leaves the offsets behind it, or the rows that were not read', () => {
  expect(lagAfter([topic], [range('t/0', 0n, 12n)], 3)).toBe(8 + 4)
  expect(lagAfter([table], [range('id', 3n, 5n)], 60)).toBe(40)
  expect(lagAfter([table], [range('id', 3n, 5n)], 600)).toBe(0)
  expect(lagAfter([topic, table], [range('t/0', 0n, 20n), range('t/1', 5n, 9n)], 5)).toBe(95)
})

test('of a partition that was not read all is left that was counted, without what is gone', () => {
  expect(lagAfter([{ ...topic, counts: [7, 4] }], [range('t/1', 5n, 9n)], 4)).toBe(7)
})
