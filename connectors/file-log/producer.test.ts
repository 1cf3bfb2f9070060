import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../engine/clock.ts'
import { murmur2 } from '../records/partitioner.ts'
import { batchOf, producerIn, readTexts, texts, withFolder } from './log.testing.ts'
import { truncateBefore } from './retention.ts'
import { listSegments } from './segment.ts'
import { fileLogSource } from './source.ts'

const keyed = (...keys: readonly string[]) =>
  batchOf(keys.map((key) => ({ key: Buffer.from(key), value: Buffer.from(`v-${key}`), timestampMs: 1 })))

const keyless = (...values: readonly string[]) =>
  batchOf(values.map((value) => ({ key: null, value: Buffer.from(value), timestampMs: 1 })))

test("keys are hashed as by Kafka's own client", () => {
  // Vectors of org.apache.kafka.common.utils.UtilsTest.
  const vectors: readonly (readonly [string, number])[] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ]
  for (const [text, hash] of vectors) expect(murmur2(Buffer.from(text))).toBe(hash)
})

test('records with the same key keep their order in one partition', async () => {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir)
    await producer.createTopic('t', 4)
    for (let i = 0; i < 5; i += 1) await producer.append('t', keyed('a', 'b', 'c', 'd', 'e'))
    await producer.close()
    const latest = await fileLogSource({ dir, choice: { topic: 't' }, clock: systemClock }).latest()
    const found: string[] = []
    for (const [partition, end] of latest) found.push(...new Set(await readTexts(dir, partition, 0n, end)))
    expect(found.sort()).toEqual(['v-a', 'v-b', 'v-c', 'v-d', 'v-e'])
  })
})

test('a batch sent again under its sequence is written once, wherever it got to', async () => {
  await withFolder(async (dir) => {
    const send = async (sequence: bigint, ...values: readonly string[]) => {
      const producer = await producerIn(dir, { producerId: 'p' })
      try {
        return await producer.append('t', keyless(...values), { sequence })
      } finally {
        await producer.close()
      }
    }
    await (await producerIn(dir)).createTopic('t', 2)
    const first = await send(1n, 'a', 'b', 'c')
    expect(await send(1n, 'a', 'b', 'c')).toEqual(new Map([...first].map(([p, at]) => [p, { ...at, duplicate: true }])))
    // A crash that came before partition 1 was written.
    for (const { path } of await listSegments(join(dir, 't', '1'))) rmSync(path)
    const again = await send(1n, 'a', 'b', 'c')
    expect([again.get(0)!.duplicate, again.get(1)!.duplicate]).toEqual([true, false])
    await send(2n, 'd')
    await expect(send(1n, 'a', 'b', 'c')).rejects.toMatchObject({ code: 'SINK_FAILED' })
    await expect(send(2n, 'd', 'e', 'f')).rejects.toMatchObject({ code: 'SINK_FAILED' })
    const latest = await fileLogSource({ dir, choice: { topic: 't' }, clock: systemClock }).latest()
    const found: string[] = []
    for (const [partition, end] of latest) found.push(...(await readTexts(dir, partition, 0n, end)))
    expect(found.sort()).toEqual(['a', 'b', 'c', 'd'])
  })
})

test('sequences are known across segments, also when their frames are gone or the saved states are', async () => {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir, { producerId: 'old', segmentBytes: 1 })
    await producer.createTopic('t', 1)
    await producer.append('t', texts(0, 'a'), { sequence: 7n })
    await producer.close()
    const other = await producerIn(dir, { segmentBytes: 1 })
    for (const value of ['b', 'c', 'd']) await other.append('t', texts(0, value))
    await other.close()
    const resend = async () => {
      const again = await producerIn(dir, { producerId: 'old' })
      const appended = await again.append('t', texts(0, 'a'), { sequence: 7n })
      await again.close()
      return appended.get(0)
    }
    expect(await resend()).toEqual({ base: 0n, count: 1, duplicate: true })
    const last = (await listSegments(join(dir, 't', '0'))).at(-1)!
    rmSync(last.path.replace('.log', '.producers.json'))
    expect(await resend()).toEqual({ base: 0n, count: 1, duplicate: true })
    const more = await producerIn(dir, { segmentBytes: 1 })
    await more.append('t', texts(0, 'e'))
    await more.close()
    await truncateBefore({ dir, topic: 't', partition: 0, before: 4n })
    expect(await resend()).toEqual({ base: 0n, count: 1, duplicate: true })
  })
})

test('without a given sequence a producer goes on after its highest one', async () => {
  await withFolder(async (dir) => {
    for (const value of ['a', 'b', 'c']) {
      const producer = await producerIn(dir, { producerId: 'p' })
      await producer.createTopic('t', 3)
      await producer.append('t', keyless(value))
      await producer.close()
    }
    const latest = await fileLogSource({ dir, choice: { topic: 't' }, clock: systemClock }).latest()
    expect([...latest.values()]).toEqual([1n, 1n, 1n])
  })
})

test('appends that overlap are written in the order of their calls', async () => {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir)
    await producer.createTopic('t', 1)
    await Promise.all(['a', 'b', 'c', 'd'].map((value) => producer.append('t', texts(0, value))))
    await producer.close()
    expect(await readTexts(dir, 't/0', 0n, 4n)).toEqual(['a', 'b', 'c', 'd'])
  })
})

test('truncation deletes whole old segments, and reading them names the missing range', async () => {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir, { segmentBytes: 1 })
    await producer.createTopic('t', 1)
    for (const value of ['a', 'b', 'c', 'd']) await producer.append('t', texts(0, value, `${value}2`))
    expect(await truncateBefore({ dir, topic: 't', partition: 0, before: 5n })).toBe(4n)
    await producer.append('t', texts(0, 'e'))
    await producer.close()
    const source = fileLogSource({ dir, choice: { topic: 't' }, clock: systemClock })
    expect((await source.start()).get('t/0')).toBe(4n)
    expect(await readTexts(dir, 't/0', 4n, 9n)).toEqual(['c', 'c2', 'd', 'd2', 'e'])
    const lost = {
      code: 'SOURCE_RANGE_LOST',
      message: expect.stringContaining('topic t partition 0 no longer has offsets [1, 4): the earliest kept is 4'),
    }
    const range = { sourcePartition: 't/0', start: 1n, end: 6n }
    await expect(readTexts(dir, 't/0', 1n, 6n)).rejects.toMatchObject(lost)
    await expect(source.cut(range, { maxRecords: 1, maxBytes: 1 })).rejects.toMatchObject(lost)
    await expect(source.count(range)).rejects.toMatchObject(lost)
  })
})

test('a topic keeps its number of partitions, and appends need a topic', async () => {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir)
    await producer.createTopic('t', 2)
    await producer.createTopic('t', 2)
    await expect(producer.createTopic('t', 3)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    await expect(producer.createTopic('../t', 1)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    await expect(producer.append('none', keyless('a'))).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' })
    await expect(producer.append('t', texts(2, 'a'))).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    await producer.close()
  })
})

test('a timestamp that microseconds do not hold is refused, and never becomes another time', () => {
  const last = 9_223_372_036_854_775n
  const add = (timestampMs: number | bigint) => () =>
    batchOf([{ key: null, value: null, timestampMs }]).columns.timestampsUs
  for (const timestampMs of [
    1_796_091_383_516_000_000n,
    1.796e18,
    last + 1n,
    -last - 1n,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ])
    expect(add(timestampMs)).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  for (const timestampMs of [last, -last, 0n, -1n]) expect(add(timestampMs)()).toEqual([timestampMs * 1000n])
})

test('two topics never share a folder, also where letters of either case name the same one', async () => {
  await withFolder(async (dir) => {
    const producer = await producerIn(dir)
    await producer.createTopic('Films', 1)
    renameSync(join(dir, 'Films'), join(dir, 'films')) // as such a file system has it
    await expect(producer.createTopic('films', 1)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('folder of topic Films'),
    })
  })
})
