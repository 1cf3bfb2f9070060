import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock, systemIds } from '../../engine/clock.ts'
import type { RecordChunk } from '../../engine/contracts.ts'
import { batchOf, hex, producerIn, readRange, readTexts, texts, withFolder } from './log.testing.ts'
import type { ProducerRecord } from './producer.ts'
import { fileLogReader } from './reader.ts'
import { fileLogSource } from './source.ts'
import { createTopic } from './topic.ts'

const bytes = fc.oneof(fc.constant(new Uint8Array(0)), fc.uint8Array({ maxLength: 40 }))
const record: fc.Arbitrary<ProducerRecord> = fc.record({
  partition: fc.constant(0),
  key: fc.option(bytes),
  value: fc.option(bytes, { freq: 3 }),
  timestampMs: fc.oneof(fc.integer({ min: -1e12, max: 4e12 }), fc.bigInt({ min: -(2n ** 52n), max: 2n ** 53n })),
  headers: fc.array(fc.tuple(fc.string({ unit: 'binary', maxLength: 8 }), bytes), { maxLength: 3 }),
})
const batches = fc.array(fc.array(record, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 6 })

test('any records come back as they were, however they were batched and however they are cut into ranges', async () => {
  await fc.assert(
    fc.asyncProperty(
      batches,
      fc.array(fc.nat(120)),
      fc.integer({ min: 1, max: 300 }),
      async (written, cuts, maxBytes) => {
        await withFolder(async (dir) => {
          const producer = await producerIn(dir, { segmentBytes: 2000 })
          await producer.createTopic('t', 1)
          for (const records of written) await producer.append('t', batchOf(records))
          await producer.close()
          const expected = written.flat().map((its, i) => plain(its, BigInt(i)))
          const ends = [...new Set([...cuts.map((cut) => cut % expected.length), 0, expected.length])].sort(
            (a, b) => a - b,
          )
          const read = []
          for (const [i, end] of ends.slice(1).entries()) {
            // A read that stops at maxBytes goes on where it stopped, and each one makes progress.
            for (let start = BigInt(ends[i]!); start < end; start = read.at(-1)!.offset + 1n) {
              const part = await readRange(dir, { sourcePartition: 't/0', start, end: BigInt(end) }, maxBytes)
              const size = part.reduce((sum, each) => sum + payloadOf(each), 0)
              expect(part.length === 1 || size <= maxBytes).toBe(true)
              expect(part.length).toBeGreaterThan(0)
              read.push(...part)
            }
          }
          expect(read).toEqual(expected)
        })
      },
    ),
    { numRuns: 40, verbose: 1 },
  )
})

/** Bytes of a record's key, value and headers. */
function payloadOf({ key, value, headers }: Awaited<ReturnType<typeof readRange>>[number]): number {
  const texts = headers.map(([name, hexed]) => Buffer.byteLength(name) + (hexed?.length ?? 0) / 2)
  return [(key?.length ?? 0) / 2, (value?.length ?? 0) / 2, ...texts].reduce((sum, size) => sum + size, 0)
}

function plain(its: ProducerRecord, offset: bigint) {
  return {
    topic: 't',
    partition: 0,
    offset,
    timestampUs: BigInt(its.timestampMs) * 1000n,
    key: hex(its.key),
    value: hex(its.value),
    headers: (its.headers ?? []).map(([key, value]) => [key, hex(value)]),
  }
}

test('offsets stay exact past 2^53', async () => {
  await withFolder(async (dir) => {
    const first = 2n ** 53n - 5n
    await createTopic({ dir, name: 'far', partitions: 1, firstOffset: first, ids: systemIds })
    const producer = await producerIn(dir)
    for (let i = 0; i < 4; i += 1) await producer.append('far', texts(0, 'a', 'b', 'c'))
    await producer.close()
    const all = await readRange(dir, { sourcePartition: 'far/0', start: first, end: first + 12n })
    expect(all.map(({ offset }) => offset)).toEqual(Array.from({ length: 12 }, (_, i) => first + BigInt(i)))
    const [one] = await readRange(dir, { sourcePartition: 'far/0', start: 2n ** 53n + 1n, end: 2n ** 53n + 2n })
    expect(one!.offset).toBe(9007199254740993n)
  })
})

test('offsets carry over from the lower to the upper 32 bits', async () => {
  await withFolder(async (dir) => {
    await createTopic({ dir, name: 't', partitions: 1, firstOffset: 2n ** 32n - 2n, ids: systemIds })
    const producer = await producerIn(dir)
    await producer.append('t', texts(0, 'a', 'b', 'c', 'd'))
    await producer.close()
    const read = await readRange(dir, { sourcePartition: 't/0', start: 2n ** 32n - 2n, end: 2n ** 32n + 2n })
    expect(read.map(({ offset }) => offset)).toEqual([4294967294n, 4294967295n, 4294967296n, 4294967297n])
  })
})

test('an empty range has no records, whatever the log holds', async () => {
  await withFolder(async (dir) => {
    expect(await readRange(dir, { sourcePartition: 'none/0', start: 7n, end: 7n })).toEqual([])
  })
})

test('records that the log does not have are an error, never an early end', async () => {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir)
    await producer.createTopic('t', 1)
    await producer.append('t', texts(0, 'a', 'b'))
    await producer.close()
    await expect(readTexts(dir, 't/0', 0n, 5n)).rejects.toMatchObject({
      code: 'SOURCE_RANGE_LOST',
      message: expect.stringContaining('topic t partition 0 no longer has offsets [2, 5): the log ends at offset 2'),
    })
    await expect(readTexts(dir, 't/1', 0n, 1n)).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' })
    await expect(readTexts(dir, 'other/0', 0n, 1n)).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' })
  })
})

test('the last slash of a source partition separates the number, and anything else is refused', async () => {
  await withFolder(async (dir) => {
    await expect(readTexts(dir, 'no-number', 0n, 1n)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    await expect(readTexts(dir, '../x/0', 0n, 1n)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})

test('headers count towards the bytes of a batch, for its plan and for its reading', async () => {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir)
    await producer.createTopic('t', 1)
    const headers = [['trace', Buffer.alloc(1000)]] as const
    for (let frame = 0; frame < 3; frame += 1)
      await producer.append(
        't',
        batchOf(Array.from({ length: 10 }, () => ({ partition: 0, key: null, value: null, timestampMs: 0, headers }))),
      )
    await producer.close()
    const range = { sourcePartition: 't/0', start: 0n, end: 30n }
    const choice = { topic: 't' }
    const source = fileLogSource({ dir, choice, startFrom: 'earliest', onDataLoss: 'fail', clock: systemClock })
    expect(await source.cut(range, { maxRecords: 100, maxBytes: 12_100 })).toEqual({ ...range, end: 12n })
    expect(await readRange(dir, range, 12_100)).toHaveLength(12)
  })
})

test('what was read stays as it is while more is read, however few of the frames have headers', async () => {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir)
    await producer.createTopic('t', 1)
    const frames = 120 // of 128 KiB: several chunks
    for (let frame = 0; frame < frames; frame += 1) {
      const fill = (length: number) => Buffer.alloc(length, frame)
      const headers = frame % 50 === 0 ? ([['trace', fill(100)]] as const) : []
      const record = { partition: 0, key: fill(9), value: fill(2 ** 17), timestampMs: frame, headers }
      await producer.append('t', batchOf([record]))
    }
    await producer.close()
    const reader = fileLogReader({ dir, onDataLoss: 'fail' })
    const range = { sourcePartition: 't/0', start: 0n, end: BigInt(frames) }
    const chunks: RecordChunk[] = []
    const { signal } = new AbortController()
    for await (const chunk of reader.read(range, { maxBytes: Number.MAX_SAFE_INTEGER, signal })) chunks.push(chunk)
    expect(chunks.length).toBeGreaterThan(2)
    const rows = chunks.flatMap(({ table }) => table.toArray())
    expect(rows).toHaveLength(frames)
    for (const [frame, { key, value, headers, timestamp }] of rows.entries()) {
      const isFilled = (bytes: Uint8Array) => bytes.every((byte) => byte === frame)
      expect([key, value, ...[...headers].map((header) => header.value)].every(isFilled), `frame ${frame}`).toBe(true)
      expect([...headers].length).toBe(frame % 50 === 0 ? 1 : 0)
      expect(Number(timestamp)).toBe(frame)
    }
  })
})
