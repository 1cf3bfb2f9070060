import { type CompressionAlgorithmValue, createRecordsBatch } from '@platformatic/kafka'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ProducerRecord, producerBatch } from '../records/producer-batch.ts'
import { decodeRecords, type Wanted } from './columns.ts'
import { batchHeads } from './record-batch.ts'
import { encodeBatch } from './record-batch-encoder.ts'
import { handBatch, hex, type PlainRecord, plainRecords, stampedByBroker } from './records.testing.ts'

const codecs: readonly CompressionAlgorithmValue[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Decodes all of the batches; decoding overwrites what it is given, so it gets a copy. */
function decode(batches: readonly Buffer[], wanted: Partial<Wanted> = {}) {
  const bytes = Buffer.concat(batches)
  const heads = batchHeads(bytes, 'topic t partition 0')
  const all = { topic: 't', partition: 0, start: 0n, end: 2n ** 62n, maxBytes: 2 ** 30, first: true }
  const decoded = decodeRecords(bytes, heads, { ...all, ...wanted })
  return { ...decoded, records: plainRecords(decoded.table) }
}

const values = (records: readonly PlainRecord[]) =>
  records.map(({ value }) => Buffer.from(value ?? '', 'hex').toString())
const offsets = (records: readonly PlainRecord[]) => records.map(({ offset }) => offset)
const abc = [{ value: 'a' }, { value: 'b' }, { value: 'c' }]

test('topic and partition are columns of every record', () => {
  const { table } = decode([handBatch({ baseOffset: 0n, records: abc })], { topic: 'films', partition: 7 })
  expect([...table.getChild('topic')!]).toEqual(['films', 'films', 'films'])
  expect([...table.getChild('partition')!]).toEqual([7, 7, 7])
})

test.each(codecs)('keys, values, nulls and empty bytes come out of a batch as they went in: %s', (compression) => {
  const records = [{ key: 'k', value: 'v' }, { key: 'gone', value: null }, { value: '' }, { key: '', value: 'x' }]
  expect(decode([handBatch({ baseOffset: 4n, records, compression })]).records).toEqual([
    { offset: 4n, timestampUs: 0n, key: hex(Buffer.from('k')), value: hex(Buffer.from('v')), headers: [] },
    { offset: 5n, timestampUs: 0n, key: hex(Buffer.from('gone')), value: null, headers: [] },
    { offset: 6n, timestampUs: 0n, key: null, value: '', headers: [] },
    { offset: 7n, timestampUs: 0n, key: '', value: hex(Buffer.from('x')), headers: [] },
  ])
})

test('headers keep their order, repeated keys and null values; a key that is no UTF-8 keeps its bytes as Latin-1', () => {
  const headers = [
    ['a', '1'],
    ['a', null],
    ['', ''],
    ['ключ', Buffer.from([0xff, 0])],
    [Buffer.from([0xe9]), '2'],
  ] as const
  const batch = handBatch({ baseOffset: 0n, records: [{ value: 'x' }, { value: 'y', headers }, { value: 'z' }] })
  expect(decode([batch]).records.map((record) => record.headers)).toEqual([
    [],
    [
      ['a', '31'],
      ['a', null],
      ['', ''],
      ['ключ', 'ff00'],
      ['é', '32'],
    ],
    [],
  ])
})

test('timestamps are base plus difference, also before 1970, or the one that the broker stamped on all', () => {
  const records = [{ timestampDelta: 0 }, { timestampDelta: -5000 }, { timestampDelta: 2 ** 42 }]
  const times = (more: object) =>
    decode([handBatch({ baseOffset: 0n, records, ...more })]).records.map(({ timestampUs }) => timestampUs)
  expect(times({ baseTimestamp: 1000n })).toEqual([1_000_000n, -4_000_000n, (1000n + 2n ** 42n) * 1000n])
  expect(times({ baseTimestamp: -2n })).toEqual([-2000n, -5_002_000n, (2n ** 42n - 2n) * 1000n])
  const stamped = { attributes: stampedByBroker, baseTimestamp: 1000n, maxTimestamp: 77n }
  expect(times(stamped)).toEqual([77_000n, 77_000n, 77_000n])
})

test('a timestamp that is not there or that microseconds do not hold is null, never another time', () => {
  const times = (more: object, ...deltas: number[]) =>
    decode([
      handBatch({ baseOffset: 0n, records: deltas.map((timestampDelta) => ({ timestampDelta })), ...more }),
    ]).records.map(({ timestampUs }) => timestampUs)
  const nanoseconds = 1_796_091_383_516_000_000n
  for (const baseTimestamp of [nanoseconds, 2n ** 63n - 1n, -(2n ** 63n), 9_300_000_000_000_000n, 2n ** 53n, -1n])
    expect(times({ baseTimestamp }, 0)).toEqual([null])
  expect(times({ baseTimestamp: nanoseconds }, 0, -5, -(2 ** 50))).toEqual([null, null, null])
  expect(times({ baseTimestamp: 2n ** 53n + 1n }, -1000)).toEqual([null])
  expect(times({ baseTimestamp: 4n }, 0, -5, 1, 2 ** 60, 2)).toEqual([4000n, null, 5000n, null, 6000n])
  const stamped = { attributes: stampedByBroker, baseTimestamp: 1000n }
  expect(times({ ...stamped, maxTimestamp: nanoseconds }, 0, 7)).toEqual([null, null])
  expect(times({ ...stamped, maxTimestamp: -1n }, 0)).toEqual([null])
})

test('timestamps are exact to the microsecond in the farthest years that 53 bits of milliseconds reach', () => {
  for (const baseTimestamp of [9_007_199_254_741n, 1_700_000_000_000_001n, 2n ** 53n - 1n, -(2n ** 53n) + 1n])
    expect(decode([handBatch({ baseOffset: 0n, records: [{}], baseTimestamp })]).records[0]!.timestampUs).toBe(
      baseTimestamp * 1000n,
    )
})

test('offsets that compaction left out stay out, and those that are left keep theirs', () => {
  const records = [
    { delta: 1, value: 'b' },
    { delta: 70, value: 'c' },
  ]
  const batch = handBatch({ baseOffset: 10n, records, lastOffsetDelta: 100 })
  expect(offsets(decode([batch]).records)).toEqual([11n, 80n])
  expect(batchHeads(batch, '')[0]).toMatchObject({ baseOffset: 10n, lastOffsetDelta: 100, count: 2 })
})

test.each([
  ['over 2^31', 2n ** 31n - 1n],
  ['over 2^32', 2n ** 32n - 1n],
  ['over 2^53', 2n ** 53n - 1n],
  ['at the top', 2n ** 62n - 2n],
])('offsets are exact %s', (_, baseOffset) => {
  const wanted = { start: baseOffset + 1n, end: baseOffset + 3n }
  const { records } = decode([handBatch({ baseOffset, records: [...abc, { value: 'd' }] })], wanted)
  expect(offsets(records)).toEqual([baseOffset + 1n, baseOffset + 2n])
  expect(values(records)).toEqual(['b', 'c'])
})

test.each(codecs)('a range may begin and end inside of batches: %s', (compression) => {
  const batches = [0n, 3n, 6n].map((baseOffset) => handBatch({ baseOffset, records: abc, compression }))
  const of = (start: bigint, end: bigint) => offsets(decode(batches, { start, end }).records)
  expect(of(1n, 8n)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n])
  expect(of(4n, 5n)).toEqual([4n])
  expect(of(8n, 9n)).toEqual([8n])
  expect(of(3n, 3n)).toEqual([])
  expect(of(9n, 12n)).toEqual([])
})

test.each(codecs)('the byte limit cuts before the record that would break it: %s', (compression) => {
  const batches = [0n, 3n].map((baseOffset) => handBatch({ baseOffset, records: abc, compression }))
  const cut = (maxBytes: number, first = true) => {
    const { records, fullAt, bytes } = decode(batches, { start: 1n, maxBytes, first })
    return { offsets: offsets(records), fullAt, bytes }
  }
  expect(cut(5)).toEqual({ offsets: [1n, 2n, 3n, 4n, 5n], fullAt: null, bytes: 5 })
  expect(cut(4)).toEqual({ offsets: [1n, 2n, 3n, 4n], fullAt: 5n, bytes: 4 })
  expect(cut(2)).toEqual({ offsets: [1n, 2n], fullAt: 3n, bytes: 2 })
  expect(cut(0)).toEqual({ offsets: [1n], fullAt: 2n, bytes: 1 })
  expect(cut(0, false)).toEqual({ offsets: [], fullAt: 1n, bytes: 0 })
})

test('the byte limit names the offset after a gap, not the gap', () => {
  const batch = handBatch({ baseOffset: 0n, records: [{ value: 'a' }, { delta: 9, value: 'bb' }] })
  expect(decode([batch], { maxBytes: 2 }).fullAt).toBe(9n)
})

test('tombstones count as their keys towards the byte limit', () => {
  const batch = handBatch({
    baseOffset: 0n,
    records: [
      { key: 'ab', value: null },
      { key: 'cd', value: null },
    ],
  })
  expect(decode([batch], { maxBytes: 3 })).toMatchObject({ bytes: 2, fullAt: 1n })
})

test('batches of different compression follow one another', () => {
  const batches = codecs.map((compression, i) =>
    handBatch({ baseOffset: BigInt(3 * i), records: abc, compression, baseTimestamp: BigInt(i) }),
  )
  const { records } = decode([...batches, ...batches.slice(0, 0)])
  expect(values(records).join('')).toBe('abc'.repeat(codecs.length))
  expect(records.map(({ timestampUs }) => timestampUs! / 1000n)).toEqual(
    codecs.flatMap((_, i) => Array(3).fill(BigInt(i))),
  )
})

test('a batch that cannot be unpacked is an error that names its place', () => {
  const batch = handBatch({ baseOffset: 5n, records: abc, compression: 'none', attributes: 1 })
  expect(() => decode([batch])).toThrowError(
    expect.objectContaining({
      code: 'SOURCE_READ_FAILED',
      retryable: false,
      message: expect.stringMatching(/^topic t partition 0: the batch of records at offset 5 cannot be unpacked/),
    }),
  )
})

test.each(codecs)('batches of an independent encoder are read: %s', (compression) => {
  const messages = Array.from({ length: 50 }, (_, i) => ({
    topic: 't',
    key: Buffer.from(`key ${i}`),
    value: Buffer.from(`value ${i}`.repeat(i)),
    timestamp: BigInt(1_700_000_000_000 + 1000 * (i % 7)),
    headers: new Map([[Buffer.from('n'), Buffer.from(String(i))]]),
  }))
  const options = { compression, producerId: 1n, producerEpoch: 0, partitionLeaderEpoch: 0 }
  const batch = createRecordsBatch(messages, options as Parameters<typeof createRecordsBatch>[1]).buffer
  expect(decode([batch]).records).toEqual(
    messages.map(({ key, value, timestamp }, i) => ({
      offset: BigInt(i),
      timestampUs: timestamp * 1000n,
      key: hex(key),
      value: hex(value),
      headers: [['n', hex(Buffer.from(String(i)))]],
    })),
  )
})

const bytes = fc.oneof(fc.constant(new Uint8Array(0)), fc.uint8Array({ maxLength: 200 }))
const record: fc.Arbitrary<ProducerRecord> = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes, { freq: 3 }),
  timestampMs: fc.oneof(fc.integer({ min: -1e12, max: 4e12 }), fc.bigInt({ min: -(2n ** 51n), max: 2n ** 51n })),
  headers: fc.array(fc.tuple(fc.string({ unit: 'binary', maxLength: 8 }), bytes), { maxLength: 3 }),
})
const sent = fc.record({
  records: fc.array(record, { minLength: 1, maxLength: 20 }),
  compression: fc.constantFrom(...codecs),
  gap: fc.nat(3),
})

test('any records come back as they were, however they are batched, cut into ranges and limited in bytes', () => {
  const seed = Date.now() % 2 ** 31
  console.log(`seed ${seed}`)
  const cuts = fc.array(fc.nat(150), { maxLength: 4 })
  fc.assert(
    fc.property(
      fc.array(sent, { minLength: 1, maxLength: 5 }),
      fc.bigInt({ min: 0n, max: 2n ** 62n }),
      cuts,
      fc.nat(600),
      (batches, first, points, maxBytes) => {
        const { wire, expected, end } = written(batches, first)
        const stops = [first, ...points.map((point) => first + BigInt(point)).filter((at) => at < end), end]
        const ordered = [...new Set(stops)].sort((a, b) => (a < b ? -1 : 1))
        const read: PlainRecord[] = []
        for (const [i, stop] of ordered.slice(1).entries())
          for (let start: bigint | null = ordered[i]!; start !== null; ) {
            const part = decode(wire, { start, end: stop, maxBytes })
            expect(part.bytes <= maxBytes || part.records.length === 1).toBe(true)
            expect(part.records.length > 0 || part.fullAt === null).toBe(true)
            read.push(...part.records)
            start = part.fullAt
          }
        expect(read).toEqual(expected)
      },
    ),
    { seed, numRuns: 200 },
  )
})

/** The batches as a broker would keep them from `first` on, with gaps between them. */
function written(
  batches: readonly { records: ProducerRecord[]; compression: CompressionAlgorithmValue; gap: number }[],
  first: bigint,
) {
  const wire: Buffer[] = []
  const expected: PlainRecord[] = []
  let at = first
  for (const { records, compression, gap } of batches) {
    const batch = producerBatch()
    for (const its of records) batch.add(its)
    const stamp = { producerId: 1n, producerEpoch: 0, sequence: 0, transactional: false, compression }
    const encoded = encodeBatch(batch.columns, [...records.keys()], stamp)
    encoded.writeBigInt64BE(at, 0)
    wire.push(encoded)
    records.forEach((its, i) => {
      expected.push(plain(its, at + BigInt(i)))
    })
    at += BigInt(records.length + gap)
  }
  return { wire, expected, end: at }
}

function plain(its: ProducerRecord, offset: bigint): PlainRecord {
  const headers = (its.headers ?? []).map(([key, value]) => [key, hex(value)] as const)
  const timestampUs = BigInt(its.timestampMs) === -1n ? null : BigInt(its.timestampMs) * 1000n
  return { offset, timestampUs, key: hex(its.key), value: hex(its.value), headers }
}

test('headers count towards the bytes of a batch', () => {
  const headers = [['trace', 'z'.repeat(95)]] as const
  const records = Array.from({ length: 5 }, () => ({ value: 'v', headers }))
  const { fullAt, bytes, table } = decode([handBatch({ baseOffset: 0n, records })], { maxBytes: 250 })
  expect([fullAt, bytes, table.numRows]).toEqual([2n, 202, 2])
})

test('batches that unpack to many times their size are decoded in turns, each record once', () => {
  const headers = [['trace', 'z'.repeat(1_000_000)]] as const
  const batches = Array.from({ length: 20 }, (_, i) =>
    handBatch({ baseOffset: BigInt(i), records: [{ value: 'v'.repeat(1_000_000), headers }], compression: 'zstd' }),
  )
  const bytes = Buffer.concat(batches)
  const wanted = { topic: 't', partition: 0, start: 0n, end: 100n, maxBytes: 2 ** 30, first: true }
  const read: bigint[] = []
  for (let heads = batchHeads(bytes, 'topic t partition 0'); heads.length > 0; ) {
    const { table, taken, bytes: payload } = decodeRecords(bytes, heads, wanted)
    expect(payload).toBeLessThan(7 * 2 ** 20)
    read.push(...offsets(plainRecords(table)))
    heads = heads.slice(taken)
  }
  expect(read).toEqual(batches.map((_, i) => BigInt(i)))
})
