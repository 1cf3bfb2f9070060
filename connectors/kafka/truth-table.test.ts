import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemIds } from '../../engine/clock.ts'
import type { Position } from '../../engine/contracts.ts'
import { identityPartition } from '../../engine/identity.ts'
import { recordSourceChecks } from '../conformance.ts'
import { producerBatch } from '../records/producer-batch.ts'
import { cluster, eventually, openTestCluster, type TestCluster } from './cluster.testing.ts'
import { insist } from './insist.ts'
import { listOffsets } from './offsets.ts'
import { produceApi } from './produce.ts'
import { kafkaReader } from './reader.ts'
import { handBatch } from './records.testing.ts'
import { beginTransaction } from './transaction.ts'

const text = (hex: string | null): string | null => (hex === null ? null : Buffer.from(hex, 'hex').toString())

describe.skipIf(cluster.brokers === '')('what a cluster does, and what becomes of it (needs KAFKA_BROKERS)', () => {
  let on: TestCluster
  beforeAll(async () => {
    on = openTestCluster()
    await insist(() => on.client.coordinatorOf('test')) // a cluster that is new makes its topic of offsets at the first question
  })
  afterAll(() => on.close())

  const range = (topic: string, start: bigint, end: bigint, partition = 0) => ({
    sourcePartition: `${topic}/${partition}`,
    start,
    end,
  })
  const latestOf = async (topic: string): Promise<bigint> => (await on.source(topic).latest()).get(`${topic}/0`)!
  const valuesOf = async (topic: string, end: bigint): Promise<(string | null)[]> =>
    (await on.read(range(topic, 0n, end))).records.map(({ value }) => text(value))

  async function deleteBefore(topic: string, offset: bigint): Promise<void> {
    await on.admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset }] }] })
  }

  /** By a producer that is not idempotent: of those, compaction leaves not even an empty batch. */
  async function sendPlainly(topic: string, ...records: readonly (readonly [key: string, value: string | null])[]) {
    const leader = (await on.client.topics([topic])).get(topic)!.leaders[0]!
    const bytes = handBatch({
      baseOffset: 0n,
      records: records.map(([key, value]) => ({ key, value })),
      baseTimestamp: BigInt(Date.now()),
    })
    await on.client.ask(leader, produceApi, { topic, transactionId: null, batches: [{ partition: 0, bytes }] })
  }

  for (const check of recordSourceChecks)
    test(check.name, async () => {
      const topic = await on.makeTopic(2)
      for (const partition of [0, 1]) await on.fill(topic, 5, { partition })
      const reader = kafkaReader({ client: on.client, onDataLoss: 'fail', identity: new Map() })
      await check.run({ source: on.source(topic), reader, cutsByBytes: false })
    })

  test('offsets that compaction took are passed over, and the newest of each key is read', async () => {
    const topic = await on.makeTopic(1, {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.01',
    })
    await on.fill(topic, 60, { key: (i) => String(i % 3), timestamp: Date.now })
    const kept = await eventually(async () => {
      await on.fill(topic, 1, { from: 60, key: () => 'roll', timestamp: Date.now }) // a segment is cleaned once it is not the last
      const { records, end } = await on.read(range(topic, 0n, await latestOf(topic)))
      expect(end).toBe(await latestOf(topic))
      return records.filter(({ key }) => text(key) !== 'roll').length === 3 ? records : null
    })
    expect(kept.slice(0, 3).map(({ offset, value }) => [offset, text(value)])).toEqual([
      [57n, 'v57'],
      [58n, 'v58'],
      [59n, 'v59'],
    ])
    expect((await on.read(range(topic, 10n, 58n))).records.map(({ offset }) => offset)).toEqual([57n])
    expect(await on.read(range(topic, 10n, 50n))).toEqual({ records: [], end: 50n })
  })

  test('a range of which compaction left nothing, not even an empty batch, is read to its end', async () => {
    const topic = await on.makeTopic(1, {
      'cleanup.policy': 'compact',
      'segment.ms': '100',
      'min.cleanable.dirty.ratio': '0.001',
      'delete.retention.ms': '0',
    })
    await sendPlainly(topic, ['kept', 'x'], ['gone', 'x'], ['gone', null])
    const end = await eventually(async () => {
      await sendPlainly(topic, ['roll', 'x']) // a segment is cleaned once it is not the last
      const { records, end: reached } = await on.read(range(topic, 1n, 3n))
      expect(reached).toBe(3n)
      return records.length === 0 ? latestOf(topic) : null
    })
    const { records, end: reached } = await on.read(range(topic, 0n, end))
    expect([records[0]!.offset, records.at(-1)!.offset, reached]).toEqual([0n, end - 1n, end])
    expect(records.slice(1).every(({ offset, key }) => offset > 2n && text(key) === 'roll')).toBe(true)
  })

  test('markers at the end are no records, and the range ends behind them', async () => {
    const topic = await on.makeTopic()
    const transaction = await beginTransaction(on.client, topic)
    await transaction.send(topic, threeRecords())
    await transaction.end('commit')
    const end = await latestOf(topic)
    expect(end).toBe(4n) // three records and the marker
    expect(await on.read(range(topic, 3n, 4n))).toEqual({ records: [], end: 4n })
    expect(await valuesOf(topic, end)).toEqual(['a', 'b', 'c'])
  })

  test('records of an aborted transaction are never seen; those around it are', async () => {
    const topic = await on.makeTopic()
    await on.fill(topic, 2)
    for (const outcome of ['abort', 'commit', 'abort'] as const) {
      const transaction = await beginTransaction(on.client, topic)
      await transaction.send(topic, threeRecords())
      await transaction.end(outcome)
    }
    const end = await latestOf(topic)
    expect(end).toBe(14n)
    expect(await valuesOf(topic, end)).toEqual(['v0', 'v1', 'a', 'b', 'c'])
    expect(await on.read(range(topic, 2n, 6n))).toEqual({ records: [], end: 6n })
  })

  test('an open transaction holds back what comes after it, until it ends', async () => {
    const topic = await on.makeTopic()
    await on.fill(topic, 2)
    const transaction = await beginTransaction(on.client, topic)
    await transaction.send(topic, threeRecords())
    await on.fill(topic, 2, { from: 2 })
    expect(await latestOf(topic)).toBe(2n)
    await transaction.end('abort')
    expect(await latestOf(topic)).toBe(8n)
    expect(await valuesOf(topic, 8n)).toEqual(['v0', 'v1', 'v2', 'v3'])
  })

  test('what retention took is an error that names topic, partition and the exact range', async () => {
    const topic = await on.makeTopic()
    await on.fill(topic, 10)
    await deleteBefore(topic, 6n)
    const lost = {
      code: 'SOURCE_RANGE_LOST',
      message: expect.stringContaining(`topic ${topic} partition 0 no longer has offsets [2, 6)`),
      context: { topic, partition: 0, start: '2', end: '6' },
    }
    await expect(on.read(range(topic, 2n, 10n))).rejects.toMatchObject(lost)
    await expect(on.source(topic).count(range(topic, 2n, 10n))).rejects.toMatchObject(lost)
    const most = { ...lost, context: { ...lost.context, end: '4' }, message: expect.stringContaining('[2, 4)') }
    await expect(on.read(range(topic, 2n, 4n))).rejects.toMatchObject(most)
  })

  test('with onDataLoss continue exactly that range is passed over, and told', async () => {
    const topic = await on.makeTopic()
    await on.fill(topic, 10)
    await deleteBefore(topic, 6n)
    const source = on.source(topic, { onDataLoss: 'continue' })
    expect(await source.missing!(range(topic, 2n, 10n))).toEqual(range(topic, 2n, 6n))
    expect(await source.count(range(topic, 2n, 10n))).toBe(4)
    const limits = { maxRecords: 3, maxBytes: 2 ** 30 }
    expect(await source.cut(range(topic, 2n, 10n), limits)).toEqual(range(topic, 2n, 9n)) // what is gone fills no batch
    expect(await source.cut(range(topic, 2n, 5n), limits)).toEqual(range(topic, 2n, 5n))
    const { records, end } = await on.read(range(topic, 2n, 10n), { onDataLoss: 'continue' })
    expect([records.map(({ offset }) => offset), end]).toEqual([[6n, 7n, 8n, 9n], 10n])
    expect(await on.read(range(topic, 2n, 4n), { onDataLoss: 'continue' })).toEqual({ records: [], end: 4n })
  })

  test('a partition that is added while reading begins at its first record, also with startFrom latest', async () => {
    const topic = await on.makeTopic(1)
    await on.fill(topic, 3)
    const source = on.source(topic, { startFrom: 'latest' })
    expect(await source.start()).toEqual(new Map([[`${topic}/0`, 3n]]))
    await on.admin.createPartitions({ topics: [{ name: topic, count: 2, assignments: null }] })
    on.client.forget()
    await eventually(async () => {
      on.client.forget()
      return on.fill(topic, 2, { partition: 1 }).then(
        () => true,
        () => null,
      )
    })
    await eventually(async () => ((await source.latest()).size === 2 ? true : null))
    expect(await source.start()).toEqual(
      new Map([
        [`${topic}/0`, 3n],
        [`${topic}/1`, 0n],
      ]),
    )
  })

  test('a partition that was added while nobody read begins at its first record, also with startFrom latest', async () => {
    const topic = await on.makeTopic(2)
    await on.fill(topic, 3, { partition: 0 })
    await on.fill(topic, 3, { partition: 1 })
    const begins = (held: Position) => on.source(topic, { startFrom: 'latest' }).start(held)
    expect((await begins(new Map())).get(`${topic}/1`)).toBe(3n)
    const held = new Map([
      [identityPartition(topic), 1n],
      [`${topic}/0`, 3n],
    ])
    expect((await begins(held)).get(`${topic}/1`)).toBe(0n)
  })

  test('a topic that was created again under its name is refused by its id', async () => {
    const topic = await on.makeTopic()
    await on.fill(topic, 3)
    const identity = await on.source(topic).identity!()
    expect((await on.read(range(topic, 0n, 3n), { identity })).records).toHaveLength(3)
    await on.admin.deleteTopics({ topics: [topic] })
    on.client.forget()
    await eventually(async () => {
      on.client.forget()
      return (await on.client.topics([topic])).has(topic) ? null : true
    })
    await on.makeTopic(1, {}, topic)
    await on.fill(topic, 3)
    await expect(on.read(range(topic, 0n, 3n), { identity })).rejects.toMatchObject({
      code: 'SOURCE_RANGE_LOST',
      message: expect.stringContaining('deleted and created again'),
    })
    expect((await on.source(topic).identity!()).get(identityPartition(topic))).not.toBe(
      identity.get(identityPartition(topic)),
    )
  })

  test('topics are chosen by name, by list and by pattern, one that is created later too', async () => {
    const stem = `chosen-${systemIds.uuid()}`
    const [first, second] = [await on.makeTopic(1, {}, `${stem}.a`), await on.makeTopic(2, {}, `${stem}.b`)]
    await on.makeTopic(1, {}, `other-${stem}.a`)
    const partitions = async (source: ReturnType<TestCluster['source']>) => [...(await source.latest()).keys()].sort()
    expect(await partitions(on.source('', { choice: { topics: [first, second, `${stem}.none`] } }))).toEqual([
      `${first}/0`,
      `${second}/0`,
      `${second}/1`,
    ])
    const byPattern = on.source('', { choice: { pattern: `${stem}\\..*` }, startFrom: 'latest' })
    expect(await partitions(byPattern)).toHaveLength(3)
    const third = await on.makeTopic(1, {}, `${stem}.c`)
    await on.fill(third, 2)
    expect(await partitions(byPattern)).toContain(`${third}/0`)
    expect((await byPattern.start()).get(`${third}/0`)).toBe(0n)
  })

  test('reading begins where it is told to', async () => {
    const topic = await on.makeTopic()
    const at = Date.parse('2026-01-01T00:00:00Z')
    await on.fill(topic, 10, { timestamp: (i) => at + i * 1000 })
    const start = async (startFrom: Parameters<TestCluster['source']>[1]) =>
      (await on.source(topic, startFrom).start()).get(`${topic}/0`)
    expect(await start({ startFrom: 'earliest' })).toBe(0n)
    expect(await start({ startFrom: 'latest' })).toBe(10n)
    expect(await start({ startFrom: { timestamp: '2026-01-01T00:00:03.500Z' } })).toBe(4n)
    expect(await start({ startFrom: { timestamp: '2027-01-01' } })).toBe(10n)
    for (const timestamp of ['1969-12-31T23:59:59.999Z', '1969-12-31T23:59:59.998Z', '1901-01-01'])
      expect(await start({ startFrom: { timestamp } })).toBe(0n)
    expect(await start({ startFrom: { offsets: { [`${topic}/0`]: '7' } } })).toBe(7n)
    expect(await start({ startFrom: { offsets: {} } })).toBe(0n)
    for (const offsets of [{ 'other/0': 7 }, { [`${topic}/0`]: 11 }, { [`${topic}/1`]: 0 }])
      await expect(start({ startFrom: { offsets } })).rejects.toMatchObject({ code: 'DEFINITION_INVALID' })
  })

  test('a topic that is not there has nothing to read; an empty one has partitions', async () => {
    const topic = await on.makeTopic(2)
    expect(await on.source(`none-${systemIds.uuid()}`).latest()).toEqual(new Map())
    expect([...(await on.source(topic).latest()).values()]).toEqual([0n, 0n])
    expect(await on.read(range(topic, 0n, 0n))).toEqual({ records: [], end: 0n })
  })

  test.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'records in %s by another client are read',
    async (compression) => {
      const { Producer } = await import('@platformatic/kafka')
      const topic = await on.makeTopic()
      const producer = new Producer({ clientId: 'other', bootstrapBrokers: cluster.brokers.split(',') })
      const messages = Array.from({ length: 50 }, (_, i) => ({
        topic,
        partition: 0,
        key: Buffer.from(`k${i}`),
        value: Buffer.from(`value ${i} `.repeat(50)),
        headers: new Map([[Buffer.from('h'), Buffer.from(String(i))]]),
      }))
      await producer.send({ messages, compression })
      await producer.close()
      await on.fill(topic, 5, { compression })
      const { records } = await on.read(range(topic, 0n, await latestOf(topic)))
      expect(records).toHaveLength(55)
      expect(text(records[49]!.value)).toBe('value 49 '.repeat(50))
      expect(records[49]!.headers.map(([key, value]) => [key, text(value)])).toEqual([['h', '49']])
      expect(text(records[54]!.value)).toBe('v4')
    },
  )

  test('a record larger than a fetch is read whole', async () => {
    const topic = await on.makeTopic(1, { 'max.message.bytes': '10485760' })
    const batch = producerBatch()
    batch.add({ partition: 0, key: null, value: Buffer.alloc(9_000_000, 'x'), timestampMs: 0 })
    const { kafkaProducer } = await import('./producer.ts')
    await kafkaProducer({ client: on.client }).send(topic, batch)
    await on.fill(topic, 1)
    const { records } = await on.read(range(topic, 0n, 2n))
    expect(records.map(({ value }) => value!.length / 2)).toEqual([9_000_000, 2])
  })

  test('a record that its topic does not take is refused with what to do, and is not there', async () => {
    const topic = await on.makeTopic(1, { 'max.message.bytes': '1000' })
    const batch = producerBatch()
    batch.add({ partition: 0, key: null, value: Buffer.alloc(2000, 'x'), timestampMs: 0 })
    const { kafkaProducer } = await import('./producer.ts')
    await expect(kafkaProducer({ client: on.client }).send(topic, batch)).rejects.toMatchObject({
      retryable: false,
      message: expect.stringMatching(/MESSAGE_TOO_LARGE.*\(send smaller records, or raise .*max\.message\.bytes\)/),
    })
    const found = (await on.client.topics([topic])).get(topic)!
    expect(await listOffsets(on.client, [{ topic: found, partition: 0 }], 'latest')).toEqual([0n])
  })

  test('a batch that was sent twice is in the topic once', async () => {
    const topic = await on.makeTopic()
    const { encodeBatch } = await import('./record-batch-encoder.ts')
    const { askIdentity } = await import('./producer.ts')
    const identity = await askIdentity(on.client, null)
    const stamp = { ...identity, sequence: 0, transactional: false, compression: 'none' as const }
    const bytes = encodeBatch(threeRecords().columns, [0, 1, 2], stamp)
    const leader = (await on.client.topics([topic])).get(topic)!.leaders[0]!
    for (let time = 0; time < 2; time += 1)
      await on.client.ask(leader, produceApi, { topic, transactionId: null, batches: [{ partition: 0, bytes }] })
    expect(
      await listOffsets(on.client, [{ topic: (await on.client.topics([topic])).get(topic)!, partition: 0 }], 'latest'),
    ).toEqual([3n])
  })
})

function threeRecords() {
  const batch = producerBatch()
  for (const value of ['a', 'b', 'c'])
    batch.add({ partition: 0, key: Buffer.from(value), value: Buffer.from(value), timestampMs: 0 })
  return batch
}
