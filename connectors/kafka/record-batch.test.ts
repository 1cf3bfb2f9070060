import { expect, test } from 'vitest'
import { batchHeads, endOffset, settledBatches } from './record-batch.ts'
import { control, handBatch, marker, transactional } from './records.testing.ts'

const place = 'topic t partition 3'
const two = [{ value: 'a' }, { value: 'b' }]
const plain = (baseOffset: bigint) => handBatch({ baseOffset, records: two })
const inTransaction = (baseOffset: bigint, producerId: bigint) =>
  handBatch({ baseOffset, producerId, records: two, attributes: transactional })

/** Base offsets of the batches that count. */
function settled(
  batches: readonly Buffer[],
  ...aborted: readonly (readonly [producerId: bigint, firstOffset: bigint])[]
) {
  const bytes = Buffer.concat(batches)
  const list = aborted.map(([producerId, firstOffset]) => ({ producerId, firstOffset }))
  return settledBatches(bytes, batchHeads(bytes, place), list).map(({ baseOffset }) => baseOffset)
}

test('the last batch is left out when it is cut short, wherever that is', () => {
  const whole = Buffer.concat([plain(0n), plain(2n)])
  const second = plain(0n).length
  expect(batchHeads(whole, place).map(endOffset)).toEqual([2n, 4n])
  for (let length = second; length < whole.length; length += 1)
    expect(batchHeads(whole.subarray(0, length), place).map(endOffset)).toEqual([2n])
  for (let length = 0; length < second; length += 1) expect(batchHeads(whole.subarray(0, length), place)).toEqual([])
})

test('a batch that compaction emptied still says where it ends', () => {
  const heads = batchHeads(handBatch({ baseOffset: 5n, records: [], lastOffsetDelta: 9 }), place)
  expect(heads.map(endOffset)).toEqual([15n])
  expect(heads[0]!.count).toBe(0)
})

test('a single flipped bit anywhere under the checksum is noticed', () => {
  const good = plain(7n)
  for (let at = 17; at < good.length; at += 1) {
    const bad = Buffer.from(good)
    bad[at]! ^= 0x10
    expect(() => batchHeads(bad, place)).toThrowError(
      expect.objectContaining({
        code: 'SOURCE_READ_FAILED',
        retryable: true,
        message: expect.stringContaining(`${place}: the batch of records at offset 7 arrived damaged`),
      }),
    )
  }
})

test.each([0, 1])('records in message format %i are refused by name', (magic) => {
  const short = Buffer.alloc(40)
  short.writeBigInt64BE(9n, 0)
  short.writeInt32BE(28, 8)
  short[16] = magic
  const long = Buffer.concat([short, Buffer.alloc(60)])
  long.writeInt32BE(88, 8)
  for (const old of [short, long])
    expect(() => batchHeads(old, place)).toThrowError(
      expect.objectContaining({
        code: 'KAFKA_UNSUPPORTED',
        message: expect.stringContaining(`${place}: records at offset 9 are in message format ${magic}`),
      }),
    )
})

test('markers of transactions are no records', () => {
  expect(settled([inTransaction(0n, 1n), marker('commit', 2n, 1n), plain(3n)])).toEqual([0n, 3n])
})

test('records of an aborted transaction do not count; those of the same producer before and after it do', () => {
  const batches = [
    inTransaction(0n, 1n),
    marker('commit', 2n, 1n),
    inTransaction(3n, 1n),
    marker('abort', 5n, 1n),
    inTransaction(6n, 1n),
    marker('commit', 8n, 1n),
  ]
  expect(settled(batches, [1n, 3n])).toEqual([0n, 6n])
})

test('interleaved transactions are told apart by their producers, however the list of aborted ones is ordered', () => {
  const batches = [
    inTransaction(0n, 1n),
    inTransaction(2n, 2n),
    plain(4n),
    inTransaction(6n, 1n),
    marker('abort', 8n, 1n),
    inTransaction(9n, 3n),
    inTransaction(11n, 1n),
    marker('commit', 13n, 2n),
    marker('abort', 14n, 3n),
    marker('abort', 15n, 1n),
    inTransaction(16n, 3n),
    marker('commit', 18n, 3n),
  ]
  const aborted = [[3n, 9n] as const, [1n, 11n] as const, [1n, 0n] as const]
  expect(settled(batches, ...aborted)).toEqual([2n, 4n, 16n])
  expect(settled(batches, ...aborted.toReversed())).toEqual([2n, 4n, 16n])
})

test('an answer that begins in the middle of an aborted transaction leaves out the rest of it', () => {
  expect(settled([inTransaction(6n, 1n), marker('abort', 8n, 1n), inTransaction(9n, 1n)], [1n, 2n])).toEqual([9n])
})

test('a transaction may be aborted further on than the answer reaches', () => {
  expect(settled([inTransaction(0n, 1n), plain(2n), inTransaction(4n, 1n)], [1n, 0n])).toEqual([2n])
})

test('records outside of transactions count, whatever their producer has aborted', () => {
  const idempotent = handBatch({ baseOffset: 0n, producerId: 1n, records: two })
  expect(settled([idempotent, inTransaction(2n, 1n), marker('abort', 4n, 1n)], [1n, 0n])).toEqual([0n])
})

test('a marker whose record compaction took ends nothing and is no record', () => {
  const emptied = handBatch({
    baseOffset: 2n,
    producerId: 1n,
    records: [],
    lastOffsetDelta: 0,
    attributes: transactional | control,
  })
  expect(settled([plain(0n), emptied, plain(3n)])).toEqual([0n, 3n])
})
