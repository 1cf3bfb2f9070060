import { expect, test } from 'vitest'
import { appId, endOf, positionOf, txnsOf } from './position.ts'

const ranges = [
  { sourcePartition: 'tmdb.movies/0', start: 0n, end: 2n ** 53n + 1n },
  { sourcePartition: 'tmdb.movies/1', start: 7n, end: 7n },
]

test('what is written as txns is read back as the position, past 2^53', () => {
  const txns = new Map(txnsOf('bronze', ranges, 1_700_000_000_123.9).map((txn) => [txn.appId, txn]))
  expect([...txns.keys()]).toEqual(['bronze/tmdb.movies/0', 'bronze/tmdb.movies/1'])
  expect(txns.get('bronze/tmdb.movies/0')?.lastUpdated).toBe(1_700_000_000_123n)
  expect(positionOf(txns, 'bronze')).toEqual(endOf(ranges))
})

test('a pipeline sees its own positions only, also next to one whose name begins alike', () => {
  const txns = new Map([
    [appId('bronze', 'a/0'), { version: 1n }],
    [appId('bronze-movies', 'a/0'), { version: 2n }],
    ['someone-else', { version: 3n }],
  ])
  expect(positionOf(txns, 'bronze')).toEqual(new Map([['a/0', 1n]]))
  expect(positionOf(txns, 'silver')).toEqual(new Map())
})
