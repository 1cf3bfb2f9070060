import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemClock as clock, systemIds } from '../../engine/clock.ts'
import type { SinkCommit } from '../../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import { armFault } from '../../engine/fault-points.ts'
import { type SinkSubject, sinkChecks } from '../conformance.ts'
import { sourcePartition } from '../records/source-partition.ts'
import { type KafkaClient, openKafkaClient } from './client.ts'
import { listOffsets } from './offsets.ts'
import { kafkaReader } from './reader.ts'
import { encodeBatch } from './record-batch-encoder.ts'
import { kafkaSink } from './sink.ts'
import { createMissingTopics } from './topic-creation.ts'
import { beginTransaction } from './transaction.ts'

const brokers = process.env.MILLRACE_TEST_KAFKA_BROKERS ?? ''

describe.skipIf(brokers === '')('a topic of a cluster as a sink (needs KAFKA_BROKERS)', () => {
  const root = mkdtempSync(join(tmpdir(), 'millrace-kafka-sink-'))
  let client: KafkaClient
  let database: Duckdb
  let made = 0

  beforeAll(async () => {
    database = await openDuckdb({ memoryLimitBytes: 256 * 2 ** 20, threads: 2, tempDir: root })
    client = openKafkaClient({
      brokers: brokers.split(','),
      clientId: 'sink-test',
      tls: null,
      sasl: null,
      groupPrefix: `t-${systemIds.uuid()}-`,
      groupMember: null,
    })
  })
  afterAll(async () => {
    armFault(null)
    await client.close()
    await database.close()
    rmSync(root, { recursive: true, force: true })
  })

  async function rowsAsParquet(query: string): Promise<SinkCommit['outputs']> {
    made += 1
    const path = join(root, `${made}.parquet`)
    const file = await database.withConnection((connection) => copyToParquet(connection, query, path))
    return new Map([['rows', [file]]])
  }

  /** A sink over a topic of its own; pipelines of different subjects never share a transactional id. */
  async function subject(): Promise<SinkSubject & { readonly topic: string }> {
    const topic = `sink-${systemIds.uuid()}`
    await createMissingTopics(client, [
      { name: topic, partitions: 2, configuration: { 'retention.ms': '-1', 'max.message.bytes': '1000000' } },
    ])
    return {
      topic,
      open: async () => kafkaSink({ client, topic, duckdb: async () => database, clock, stagingDir: root }),
      outputs: (batch) => rowsAsParquet(`SELECT 'key ${batch}' AS key, 'value ${batch}' AS value`),
      countRows: async () => (await committed(topic)).length,
      hopeless: {
        'a key that is a number': async () => ({ outputs: await rowsAsParquet(`SELECT 7 AS key, 'v' AS value`) }),
        'headers that are text': async () => ({ outputs: await rowsAsParquet(`SELECT 'v' AS value, 'h' AS headers`) }),
      },
      poisoned: {
        'records that are larger than the topic takes': async () => ({
          outputs: await rowsAsParquet(`SELECT repeat('x', 300000 * i::INTEGER) AS value FROM unnest([3, 4, 21]) t(i)`),
          taken: 1,
          refused: 2,
        }),
        'headers without a name': async () => ({
          outputs: await rowsAsParquet(
            `SELECT 'v' AS value, [{'key': CASE WHEN i = 1 THEN 'h' END, 'value': encode('x')}] AS headers FROM range(3) t(i)`,
          ),
          taken: 1,
          refused: 2,
        }),
        'times that are a day ahead': async () => ({
          outputs: await rowsAsParquet(
            `SELECT 'v' AS value, now() + to_days(i::INTEGER * 2) AS timestamp FROM range(3) t(i)`,
          ),
          taken: 1,
          refused: 2,
        }),
      },
    }
  }

  /** Values of all committed records, in no particular order. */
  async function committed(name: string): Promise<string[]> {
    client.forget()
    const topic = (await client.topics([name])).get(name)!
    const reader = kafkaReader({ client, onDataLoss: 'fail', identity: new Map() })
    const values: string[] = []
    for (let partition = 0; partition < topic.leaders.length; partition += 1) {
      const [end = 0n] = await listOffsets(client, [{ topic, partition }], 'latest')
      const range = { sourcePartition: sourcePartition(name, partition), start: 0n, end }
      const options = { maxBytes: 2 ** 30, signal: new AbortController().signal }
      for await (const { table } of reader.read(range, options))
        for (const value of table.getChild('value')!) values.push(Buffer.from(value as Uint8Array).toString())
    }
    return values
  }

  const commitOf = async (its: SinkSubject, batch: number): Promise<SinkCommit> => ({
    pipeline: 'p',
    txnId: `txn ${batch} ${systemIds.uuid()}`,
    fingerprint: 'f',
    ranges: [{ sourcePartition: 'source/0', start: BigInt(batch), end: BigInt(batch + 1) }],
    initial: new Map(),
    outputs: await its.outputs(batch),
    columns: new Map(),
    signal: new AbortController().signal,
  })

  for (const check of sinkChecks)
    test(check.name, async () => {
      await check.run(await subject())
    })

  test.each(['store-before-commit', 'store-after-commit'] as const)(
    'a commit that dies at %s is written once when it is tried again',
    async (point) => {
      const its = await subject()
      const sink = await its.open()
      const commit = await commitOf(its, 0)
      armFault({ point, passage: 1, action: 'throw' })
      await expect(sink.commit(commit)).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
      armFault(null)
      const { position } = await sink.position('p')
      expect(position.get('source/0')).toBe(point === 'store-after-commit' ? 1n : undefined)
      if (position.get('source/0') === undefined) await sink.commit({ ...commit, outputs: await its.outputs(0) })
      expect(await committed(its.topic)).toEqual(['value 0'])
    },
  )

  test('rows of a transaction that nobody ended are never seen, and do not hold up the next commit', async () => {
    const its = await subject()
    const { producerBatch } = await import('../records/producer-batch.ts')
    const { createPositionTopic, positionTopic } = await import('./sink-position.ts')
    const id = positionTopic(client, 'p', its.topic)
    await createPositionTopic(client, id)
    const abandoned = await beginTransaction(client, id)
    const batch = producerBatch()
    batch.add({ key: null, value: Buffer.from('of a process that died'), timestampMs: 0 })
    await abandoned.send(its.topic, batch)
    const sink = await its.open()
    expect((await sink.commit(await commitOf(its, 0))).kind).toBe('committed')
    expect(await committed(its.topic)).toEqual(['value 0'])
    await expect(abandoned.end('commit')).rejects.toMatchObject({ code: 'KAFKA_REQUEST_FAILED' })
    expect(await committed(its.topic)).toEqual(['value 0'])
  })

  test('while a transaction hangs in the topic of positions, nothing is written: nobody can tell what it did', async () => {
    const its = await subject()
    const { createPositionTopic, positionRecord, positionTopic } = await import('./sink-position.ts')
    const positions = positionTopic(client, 'p', its.topic)
    await createPositionTopic(client, positions)
    const hanging = await beginTransaction(client, systemIds.uuid()) // of another id, so that no commit of ours ends it
    const held = { position: new Map([['source/0', 1n]]), fingerprint: 'f', txnId: 't', rows: 1 }
    await hanging.send(positions, positionRecord(held, 0))
    const sink = await its.open()
    await expect(sink.commit(await commitOf(its, 0))).rejects.toMatchObject({
      code: 'SINK_FAILED',
      retryable: true,
      message: expect.stringMatching(/has a transaction that hangs at offsets \[0, 1\): .*kafka-transactions\.sh/),
    })
    expect(await committed(its.topic)).toEqual([])
    await hanging.end('commit')
    expect((await sink.commit(await commitOf(its, 0))).kind).toBe('fenced')
  })

  test('keys, nulls, headers and times arrive as they were', async () => {
    const its = await subject()
    const sink = await its.open()
    const outputs = await rowsAsParquet(
      `SELECT NULL::BLOB AS key, NULL::BLOB AS value, TIMESTAMPTZ '1969-07-20 20:17:40.123Z' AS timestamp,
       [{key: 'a', value: 'x'::BLOB}, {key: 'a', value: ''::BLOB}, {key: 'b', value: NULL}] AS headers`,
    )
    await sink.commit({ ...(await commitOf(its, 0)), outputs })
    const topic = (await client.topics([its.topic])).get(its.topic)!
    const rows: unknown[] = []
    for (const partition of [0, 1]) {
      const [end = 0n] = await listOffsets(client, [{ topic, partition }], 'latest')
      const reader = kafkaReader({ client, onDataLoss: 'fail', identity: new Map() })
      const range = { sourcePartition: sourcePartition(its.topic, partition), start: 0n, end }
      for await (const { table } of reader.read(range, { maxBytes: 1e6, signal: new AbortController().signal }))
        rows.push(...table.toArray().map((row) => row?.toJSON()))
    }
    expect(rows).toMatchObject([{ key: null, value: null, timestamp: Date.parse('1969-07-20T20:17:40.123Z') }])
    const [row] = rows as { headers: Iterable<{ key: string; value: Uint8Array | null }> }[]
    expect([...row!.headers].map(({ key, value }) => [key, value && Buffer.from(value).toString()])).toEqual([
      ['a', 'x'],
      ['a', ''],
      ['b', null],
    ])
  })

  test('a record is refused at the very byte at which the topic refuses it; batches keep to what the topic takes', async () => {
    const topic = `small-${systemIds.uuid()}`
    await createMissingTopics(client, [{ name: topic, partitions: 1, configuration: { 'max.message.bytes': '10000' } }])
    const sink = kafkaSink({ client, topic, duckdb: async () => database, clock, stagingDir: root })
    let next = 0
    const send = async (query: string) => {
      const its = { open: async () => sink, countRows: async () => 0, outputs: () => rowsAsParquet(query) }
      const commit = await commitOf(its, next++)
      const refused = await sink.prepare!(commit)
      expect((await sink.commit(commit)).kind).toBe('committed')
      return 'file' in refused ? refused.file.rows : 0
    }
    expect(await send(`SELECT repeat('x', 100) AS value FROM range(1000)`)).toBe(0)
    // the largest that is sent, found from below: one byte more is refused before the broker can
    let bytes = 9900
    while ((await send(`SELECT repeat('x', ${bytes}) AS value`)) === 0) bytes += 1
    expect(bytes).toBeGreaterThan(9900)
    const columns = { keys: [null], values: [Buffer.alloc(bytes)], timestampsUs: [0n], headers: [], partitions: [-1] }
    const stamp = { producerId: 1n, producerEpoch: 0, sequence: 0, transactional: true, compression: 'none' } as const
    expect(encodeBatch(columns, [0], stamp)).toHaveLength(10_001)
    expect(await committed(topic)).toHaveLength(1000 + bytes - 9900)
    await sink.close()
  })

  test('a record without a key is refused by a compacted topic, its neighbours are sent', async () => {
    const topic = `compacted-${systemIds.uuid()}`
    await createMissingTopics(client, [{ name: topic, partitions: 1, configuration: { 'cleanup.policy': 'compact' } }])
    const sink = kafkaSink({ client, topic, duckdb: async () => database, clock, stagingDir: root })
    const outputs = () => rowsAsParquet(`SELECT * FROM (VALUES ('a', 'kept'), (NULL, 'out')) t(key, value)`)
    const commit = await commitOf({ open: async () => sink, countRows: async () => 0, outputs }, 0)
    expect(await sink.prepare!(commit)).toMatchObject({
      first: { message: 'has no key, and the topic is compacted by key', row: '{"key":null,"value":"out"}' },
    })
    expect(await sink.commit(commit)).toMatchObject({ kind: 'committed', written: { rows: 1 } })
    expect(await committed(topic)).toEqual(['kept'])
    await sink.close()
  })

  test('a topic that is not there is found before anything is sent, and an abandoned batch is never seen', async () => {
    const missing = kafkaSink({ client, topic: 'missing', duckdb: async () => database, clock, stagingDir: root })
    const its = await subject()
    const commit = await commitOf(its, 0)
    await expect(missing.prepare!({ ...commit, pipeline: systemIds.uuid() })).rejects.toMatchObject({
      code: 'SOURCE_NOT_FOUND',
      retryable: false,
    })
    const sink = await its.open()
    await sink.prepare!(commit)
    await sink.abandon!()
    expect(await committed(its.topic)).toEqual([])
    expect((await sink.commit({ ...commit, outputs: await its.outputs(0) })).kind).toBe('committed')
    expect(await committed(its.topic)).toEqual(['value 0'])
  })

  test('a batch that is taken back leaves its records, and the position is where it was', async () => {
    const its = await subject()
    const sink = await its.open()
    for (const batch of [0, 1]) await sink.commit(await commitOf(its, batch))
    const undo = { pipeline: 'p', txnId: 'u', ranges: [{ sourcePartition: 'source/0', start: 1n, end: 2n }] }
    await sink.undo!(undo)
    expect((await sink.position('p')).position.get('source/0')).toBe(1n)
    await sink.undo!({ ...undo, txnId: 'again' }) // nothing is left to do
    await expect(sink.undo!({ ...undo, ranges: [{ ...undo.ranges[0]!, start: 0n }] })).rejects.toMatchObject({
      code: 'SINK_FAILED',
    })
    await sink.commit(await commitOf(its, 1))
    expect((await committed(its.topic)).sort()).toEqual(['value 0', 'value 1', 'value 1'])
  })

  test('sinks whose names are long and begin alike keep positions of their own; a name that was cut is refused', async () => {
    const pipeline = 'p'.repeat(100)
    const stem = `sink-${systemIds.uuid()}-`.padEnd(240, 't')
    const open = (topic: string) => kafkaSink({ client, topic, duckdb: async () => database, clock, stagingDir: root })
    const batch = { pipeline, fingerprint: 'f', outputs: new Map(), columns: new Map(), initial: new Map() }
    const ranges = [{ sourcePartition: 's/0', start: 0n, end: 5n }]
    for (const topic of [`${stem}a`, `${stem}b`]) {
      await createMissingTopics(client, [{ name: topic, partitions: 1 }])
      expect((await open(topic).position(pipeline)).position.size).toBe(0)
      const signal = new AbortController().signal
      expect(await open(topic).commit({ ...batch, ranges, txnId: topic, signal })).toMatchObject({ kind: 'committed' })
      expect((await open(topic).position(pipeline)).position).toEqual(new Map([['s/0', 5n]]))
    }
    const cut = `${client.settings.groupPrefix}position.${pipeline}x.${stem}`.slice(0, 249)
    await createMissingTopics(client, [{ name: cut, partitions: 1 }])
    client.forget()
    await expect(open(`${stem}a`).position(`${pipeline}x`)).rejects.toMatchObject({
      code: 'SINK_FAILED',
      message: expect.stringMatching(/^topic t-.* may hold the position of this sink .*copy the newest record/),
    })
  })
})
