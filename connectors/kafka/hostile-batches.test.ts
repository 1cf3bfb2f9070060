/** Batches that contradict themselves: either records come out of them or an error that names them, in bounded time and memory. */
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { compressionsAlgorithms } from '@platformatic/kafka'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MillraceError } from '../../engine/errors.ts'
import { crc32c } from './checksum.ts'
import { type Decoded, decodeRecords, type Wanted } from './columns.ts'
import { batchHeads, settledBatches } from './record-batch.ts'
import { control, type HandBatch, handBatch, plainRecords, transactional } from './records.testing.ts'
import { TooLarge, unpack } from './unpack.ts'

const place = 'topic t partition 3'
const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

function read(bytes: Buffer, wanted: Partial<Wanted> = {}): Decoded {
  const heads = settledBatches(bytes, batchHeads(bytes, place), [], place)
  const all = { topic: 't', partition: 3, start: 0n, end: 2n ** 40n, maxBytes: 2 ** 26, first: true }
  return decodeRecords(bytes, heads, { ...all, ...wanted })
}

const refusal = (why: RegExp) =>
  expect.objectContaining({
    code: 'SOURCE_READ_FAILED',
    retryable: false,
    message: expect.stringMatching(
      new RegExp(`^${place}: the batch of records at offset 7 .*${why.source}.*kafka-delete-records`),
    ),
  })

/** A batch of one record at offset 7 whose fields or records are other than they should be. */
function batch(
  change: { readonly head?: (head: Buffer) => void; readonly records?: Buffer } & Partial<Omit<HandBatch, 'records'>>,
): Buffer {
  const { head, records, ...rest } = change
  let bytes = handBatch({ baseOffset: 7n, ...rest, records: [{ value: 'abc' }] })
  if (records !== undefined) {
    bytes = Buffer.concat([bytes.subarray(0, 61), records])
    bytes.writeInt32BE(bytes.length - 12, 8)
  }
  head?.(bytes)
  return sealed(bytes)
}

function sealed(bytes: Buffer): Buffer {
  bytes.writeUInt32BE(crc32c(Buffer.from(bytes.subarray(21))), 17)
  return bytes
}

/** Zigzag. */
function number(value: number | bigint): Buffer {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  const bytes: number[] = []
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}

/** A record of the given fields behind its attributes, and its length unless that is another. */
function record(fields: readonly (number | bigint | Buffer)[], length?: number): Buffer {
  const body = Buffer.concat([Buffer.from([0]), ...fields.map((each) => (Buffer.isBuffer(each) ? each : number(each)))])
  return Buffer.concat([number(length ?? body.length), body])
}

const text = Buffer.from('abc')
const good = record([0, 0, -1, 3, text, 0])
const int32 = (at: number, value: number) => (head: Buffer) => head.writeInt32BE(value, at)

test('what the fields are changed from is read', () => {
  expect(plainRecords(read(batch({ records: good })).table)).toMatchObject([{ offset: 7n, value: '616263' }])
})

test.each([
  [
    'more records than bytes',
    batch({ head: (b) => [int32(57, 2 ** 31 - 1), int32(23, 2 ** 31 - 2)].map((f) => f(b)) }),
    /2147483647 records in \d+ bytes/,
  ],
  ['more records than offsets', batch({ head: int32(57, 2) }), /2 records in 1 offsets/],
  ['a negative count', batch({ head: int32(57, -1) }), /-1 records/],
  ['no record where there are bytes', batch({ head: int32(57, 0) }), /0 records in \d+ bytes/],
  ['more bytes than records', batch({ records: Buffer.concat([good, good]) }), /\d+ bytes follow/],
  ['a last offset before the first', batch({ head: int32(23, -5) }), /last offset is -5/],
  ['an offset after the last', batch({ records: record([0, 9, -1, 3, text, 0]) }), /offset 9 of at most 0/],
  ['a negative offset', batch({ records: record([0, -1, -1, 3, text, 0]) }), /offset -1/],
  [
    'an offset twice',
    batch({ head: (b) => [int32(57, 2), int32(23, 1)].map((f) => f(b)), records: Buffer.concat([good, good]) }),
    /offset 0 of at most 1 follows offset 0/,
  ],
  ['an endless number', batch({ records: Buffer.alloc(50, 0xff) }), /32 bits/],
  ['an endless timestamp', batch({ records: record([Buffer.alloc(50, 0xff)]) }), /64 bits/],
  ['a length beyond 32 bits', batch({ records: record([0, 0, -1, 3, text, 0], 2 ** 31) }), /32 bits/],
  ['a record past the end', batch({ records: record([0, 0, -1, 3, text, 0], 200) }), /200 bytes long/],
  ['a record of negative length', batch({ records: record([0, 0, -1, 3, text, 0], -3) }), /-3 bytes long/],
  [
    'a record that is longer than its fields',
    batch({ records: record([0, 0, -1, 3, text, 0, 0]) }),
    /ends -1 bytes after/,
  ],
  ['a value past the record', batch({ records: record([0, 0, -1, 100, text, 0]) }), /100 bytes are said to follow/],
  ['a key past the record', batch({ records: record([0, 0, 2 ** 30, 3, text, 0]) }), /bytes are said to follow/],
  ['a key of negative length', batch({ records: record([0, 0, -7, 3, text, 0]) }), /-7 bytes are said/],
  ['more headers than bytes', batch({ records: record([0, 0, -1, 3, text, 2 ** 30]) }), /1073741824 headers/],
  ['a negative number of headers', batch({ records: record([0, 0, -1, 3, text, -1]) }), /-1 headers/],
  ['a header without a key', batch({ records: record([0, 0, -1, 3, text, 1, -1, -1]) }), /a header has no key/],
  ['a header past the record', batch({ records: record([0, 0, -1, 3, text, 1, 50, -1]) }), /50 bytes are said/],
  ['less than a head', batch({ head: int32(8, 20) }), /32 bytes long/],
  ['no length', batch({ head: int32(8, -12) }), /0 bytes long/],
  ['an unknown compression', batch({ attributes: 7 }), /no such compression/],
  [
    'a marker that ends nothing',
    batch({ attributes: transactional | control, records: Buffer.alloc(9, 0xff) }),
    /end a transaction/,
  ],
  ['a compressed marker', batch({ attributes: control | 1 }), /end a transaction/],
])('a batch with %s is refused by name', (_, bytes, why) => {
  expect(() => read(bytes)).toThrowError(refusal(why))
})

test('batches whose offsets go back are refused, and so are those at the end of the numbers', () => {
  const back = Buffer.concat([handBatch({ baseOffset: 9n, records: [{ value: 'a' }] }), batch({})])
  expect(() => read(back)).toThrowError(refusal(/begins before offset 10/))
  expect(() => read(handBatch({ baseOffset: 2n ** 63n - 1n, records: [{ value: 'a' }] }))).toThrowError(/last offset/)
  expect(() => read(handBatch({ baseOffset: -5n, records: [{ value: 'a' }] }))).toThrowError(/begins before offset 0/)
})

const xerial = (...blocks: readonly Buffer[]) => {
  const lengths = blocks.map((block) => Buffer.from(Uint32Array.of(block.length).buffer).swap32())
  const head = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
  return Buffer.concat([head, ...blocks.flatMap((block, i) => [lengths[i]!, block])])
}
const claimsTwoGigabytes = Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0xff, 0x07]), Buffer.alloc(20)])

test.each([
  ['snappy that claims 2 GB', 2, claimsTwoGigabytes],
  [
    'blocks of snappy of which one claims 2 GB',
    2,
    xerial(compressionsAlgorithms.snappy.compressSync(text), claimsTwoGigabytes),
  ],
  ['a block of snappy past the end', 2, Buffer.concat([xerial(text), Buffer.from([0, 0, 1, 0, 1])])],
  ['snappy without a length', 2, Buffer.alloc(40, 0xff)],
  ['no frame of LZ4', 3, Buffer.alloc(40, 0xff)],
  ['a cut frame of LZ4', 3, compressionsAlgorithms.lz4.compressSync(Buffer.alloc(1000)).subarray(0, 12)],
  ['a cut stream of gzip', 1, gzipSync(text).subarray(0, 15)],
  ['no zstd', 4, Buffer.alloc(40, 0xff)],
])('what cannot be unpacked is refused without memory for what it claims: %s', (_, attributes, records) => {
  const before = process.resourceUsage().maxRSS
  const started = performance.now()
  expect(() => read(batch({ attributes, records }))).toThrowError(refusal(/cannot be unpacked/))
  expect(process.resourceUsage().maxRSS - before).toBeLessThan(256 * 1024)
  expect(performance.now() - started).toBeLessThan(5000)
})

test.each(codecs.slice(1))('a batch may unpack to the limit and no further: %s', (codec) => {
  const algorithm = compressionsAlgorithms[codec]
  const limit = 2 ** 20
  for (const bytes of [Buffer.alloc(limit), Buffer.from(Array.from({ length: limit }, (_, i) => (i * i) >> 7))]) {
    expect(bytes.equals(unpack(algorithm.compressSync(bytes), algorithm.bitmask, limit))).toBe(true)
    expect(() => unpack(algorithm.compressSync(bytes), algorithm.bitmask, limit - 1)).toThrowError(TooLarge)
  }
  const records = algorithm.compressSync(record([0, 0, -1, limit, Buffer.alloc(limit), 0]))
  const packed = batch({ attributes: algorithm.bitmask, records })
  expect(() => read(packed, { maxUnpackedBytes: limit })).toThrowError(
    refusal(/to more than 1048576 \(raise KAFKA_MAX_BATCH_MIB/),
  )
  expect(read(packed, { maxUnpackedBytes: 2 * limit }).bytes).toBe(limit)
})

test('batches that unpack to much are decoded one after another, each record once', () => {
  const value = Buffer.alloc(12 * 2 ** 20)
  const batches = codecs.map((compression, i) =>
    handBatch({ baseOffset: BigInt(i), records: [{ value }], compression }),
  )
  const bytes = Buffer.concat(batches)
  const offsets: bigint[] = []
  let rest = batchHeads(bytes, place)
  for (let tables = 1; rest.length > 0; tables += 1) {
    const wanted = { topic: 't', partition: 3, start: 0n, end: 9n, maxBytes: 2 ** 30, first: true }
    const decoded = decodeRecords(bytes, rest, wanted)
    expect(decoded.bytes).toBeLessThanOrEqual(16 * 2 ** 20)
    offsets.push(...plainRecords(decoded.table).map(({ offset }) => offset))
    rest = rest.slice(decoded.taken)
    expect(tables).toBeLessThan(6)
  }
  expect(offsets).toEqual([0n, 1n, 2n, 3n, 4n])
})

test('memory for rows is taken for those that are wanted, not for those that a small batch can hold', () => {
  const empty = record([0, 0, -1, -1, 0])
  const count = 40_000
  const each = Buffer.concat(Array.from({ length: count }, (_, i) => record([0, i, -1, -1, 0])))
  expect(empty.length).toBe(7)
  const bytes = batch({
    head: (head) => [int32(57, count), int32(23, count - 1)].map((f) => f(head)),
    attributes: 1,
    records: gzipSync(each),
  })
  const { table } = read(bytes, { start: 10n, end: 20n })
  expect(table.numRows).toBe(10)
  expect(table.getChild('offset')!.data[0]!.values.buffer.byteLength).toBe(80)
})

const honest = fc.record({
  values: fc.array(fc.option(fc.uint8Array({ maxLength: 60 })), { minLength: 1, maxLength: 12 }),
  headers: fc.array(fc.tuple(fc.string({ maxLength: 5 }), fc.option(fc.uint8Array({ maxLength: 5 }))), {
    maxLength: 2,
  }),
  codec: fc.constantFrom(...codecs),
  baseOffset: fc.bigInt({ min: 0n, max: 2n ** 62n }),
  attributes: fc.constantFrom(0, 0, 0, 8, transactional, control),
})
/** Bytes put in place of others: anywhere, or in the records before they are compressed. */
const damage = fc.array(
  fc.record({
    at: fc.nat(),
    byte: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
    inside: fc.boolean(),
  }),
  { minLength: 1, maxLength: 6 },
)

test('damaged batches give records or an error that names them, and never more than they hold', () => {
  const seed = Date.now() % 2 ** 31
  console.log(`seed ${seed}`)
  let refused = 0
  fc.assert(
    fc.property(honest, damage, fc.nat(40), (its, changes, cut) => {
      const bytes = damaged(its, changes)
      const wanted = { start: its.baseOffset, end: its.baseOffset + BigInt(1 + cut), maxUnpackedBytes: 2 ** 20 }
      const size = bytes.length
      try {
        const { table, bytes: payload } = read(bytes, wanted)
        expect(table.numRows).toBeLessThanOrEqual(1 + cut)
        expect(payload).toBeLessThanOrEqual(size + 2 ** 20)
        plainRecords(table)
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error
        refused += 1
        expect(['SOURCE_READ_FAILED', 'KAFKA_UNSUPPORTED']).toContain(error.code)
        expect(error.message).toContain(place)
      }
    }),
    { seed, numRuns: 1500 },
  )
  expect(refused).toBeGreaterThan(150)
})

type Honest = typeof honest extends fc.Arbitrary<infer T> ? T : never
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never

/** The checksum is that of the damaged bytes: a sender made them so. */
function damaged({ values, headers, codec, baseOffset, attributes }: Honest, changes: Damage): Buffer {
  const records = values.map((value) => ({ key: 'k', value, headers }))
  const plain = handBatch({ baseOffset, records, attributes })
  for (const { at, byte } of changes.filter(({ inside }) => inside)) plain[61 + (at % (plain.length - 61))] = byte
  const packed = codec === 'zstd' ? zstdCompressSync : compressionsAlgorithms[codec].compressSync
  const body = codec === 'none' ? plain.subarray(61) : packed(plain.subarray(61))
  const bytes = Buffer.concat([plain.subarray(0, 61), body])
  bytes.writeInt16BE(attributes | compressionsAlgorithms[codec].bitmask, 21)
  bytes.writeInt32BE(bytes.length - 12, 8)
  for (const { at, byte } of changes.filter(({ inside }) => !inside)) bytes[at % bytes.length] = byte
  return sealed(bytes)
}
