import { expect, test } from 'vitest'
import type { AddFile } from '../connectors/delta/actions.ts'
import { filesToRead } from './table-rows.ts'

function file(path: string, sizeMiB: number, rows: number | null): AddFile {
  const stats = rows === null ? {} : { stats: JSON.stringify({ numRecords: rows }) }
  return {
    path,
    partitionValues: {},
    size: BigInt(sizeMiB) * 2n ** 20n,
    modificationTime: 0n,
    dataChange: true,
    ...stats,
  }
}

test('a small table is read as a whole, so that its order is that of all rows', () => {
  const files = [file('a', 20, 1000), file('b', 20, 1000)]
  expect(filesToRead(files, 10)).toBe(files)
})

test('of a big table only as many files are read as hold enough rows', () => {
  const files = [file('a', 100, 5), file('b', 100, null), file('c', 100, 5), file('d', 100, 5)]
  const read = (limit: number) => filesToRead(files, limit).map(({ path }) => path)
  expect(read(1)).toEqual(['a'])
  expect(read(10)).toEqual(['a', 'b', 'c'])
  expect(read(1000)).toEqual(['a', 'b', 'c', 'd'])
})
