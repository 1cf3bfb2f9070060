import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigResourceTypes, IncrementalAlterConfigOperationTypes } from '@platformatic/kafka'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { millrace } from '../checks/command.ts'
import { cluster, eventually, openTestCluster, type TestCluster } from '../connectors/kafka/cluster.testing.ts'
import { kafkaProducer } from '../connectors/kafka/producer.ts'
import { producerBatch } from '../connectors/records/producer-batch.ts'

const root = mkdtempSync(join(tmpdir(), 'millrace-kafka-cli-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** A definition that reads a topic into `t` and `dead_letters/t`; options of the source as source text. */
function definition(topic: string, options = ''): string {
  const from = (folder: string) =>
    JSON.stringify(pathToFileURL(join(import.meta.dirname, '..', folder, 'index.ts')).href)
  const path = join(root, `${topic}.ts`)
  writeFileSync(
    path,
    `import { delta, kafka } from ${from('connectors')}
import { definePipeline } from ${from('engine')}
import { int64, parseCritical } from ${from('operators')}
export default definePipeline({ name: 'p', source: kafka({ topic: '${topic}' ${options} }),
  steps: [parseCritical('parse', { id: int64('$.id') })],
  sink: delta({ table: 't', mode: 'append' }), deadLetters: delta({ table: 'dead_letters/t', mode: 'append' }) })\n`,
  )
  return path
}

test('a cluster that cannot be reached ends the run with 1 once patience is over, in one line', async () => {
  const env = { KAFKA_BROKERS: '127.0.0.1:1', MILLRACE_RETRY_FOR: '1ms' }
  const ended = await millrace(['run', definition('none'), '--available-now', '--data', join(root, 'none')], env)
  expect(ended.status).toBe(1)
  expect(ended.errors).toMatch(
    /^millrace: pipeline \S+ failed: kafka: connecting to 127\.0\.0\.1:1: .*\(gave up after 3 tries in \d+ m?s\)\n$/,
  )
})

test('settings that make no sense are told all at once, without their secrets', async () => {
  const env = {
    KAFKA_BROKERS: 'http://somewhere',
    KAFKA_SECURITY_PROTOCOL: 'sasl',
    KAFKA_SASL_MECHANISM: 'GUESS',
    KAFKA_PASSWORD: 'a-secret',
  }
  const ended = await millrace(['status', '--data', root], env)
  expect(ended.status).toBe(2)
  const named = ['KAFKA_BROKERS', 'KAFKA_SECURITY_PROTOCOL', 'KAFKA_SASL_MECHANISM']
  expect(ended.errors.trim().split('\n')).toHaveLength(named.length)
  for (const name of named) expect(ended.errors).toContain(name)
  expect(ended.errors).not.toContain('a-secret')
})

describe.skipIf(cluster.brokers === '')('runs over a cluster (needs KAFKA_BROKERS)', () => {
  let on: TestCluster
  beforeAll(() => {
    on = openTestCluster()
  })
  afterAll(() => on.close())

  const run = (path: string, data: string, env: Record<string, string> = {}) =>
    millrace(['run', path, '--available-now', '--data', join(root, data)], { KAFKA_BROKERS: cluster.brokers, ...env })
  const rows = async (table: string, data: string): Promise<Record<string, unknown>[]> => {
    const words = ['tables', 'show', table, '--json', '--limit', '1000', '--data', join(root, data)]
    return (await millrace(words)).lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  }
  async function send(topic: string, ...values: readonly string[]): Promise<void> {
    const batch = producerBatch()
    for (const value of values)
      batch.add({
        partition: 0,
        key: Buffer.from('k'),
        value: Buffer.from(value),
        timestampMs: 1000,
        headers: [['h', Buffer.from('1')]],
      })
    await kafkaProducer({ client: on.client }).send(topic, batch)
  }

  /** The broker deletes what is older, by the times of the records. */
  async function keepFor(topic: string, retentionMs: number): Promise<void> {
    const configs = [
      { name: 'retention.ms', configOperation: IncrementalAlterConfigOperationTypes.SET, value: String(retentionMs) },
    ]
    const resourceType = ConfigResourceTypes.TOPIC
    await on.admin.incrementalAlterConfigs({ resources: [{ resourceType, resourceName: topic, configs }] })
  }
  /** Whether what was sent to its partition is gone; null if not yet. */
  async function isEmptied(topic: string): Promise<true | null> {
    const bounds = async (timestamp: bigint) =>
      (await on.admin.listOffsets({ topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }] }))[0]!
        .partitions[0]!.offset
    const [earliest, latest] = [await bounds(-2n), await bounds(-1n)]
    return latest > 0n && earliest === latest ? true : null
  }

  test('a partition that holds nothing but poison moves on; each bad record is a dead letter once, as it came', async () => {
    const topic = await on.makeTopic(2)
    await send(topic, 'poison', '{"id":"x"}', '{"id":')
    const path = definition(topic)
    expect((await run(path, 'poison')).status).toBe(0)
    const again = await run(path, 'poison')
    expect(again.lines.filter((line) => line.includes('"committed"'))).toEqual([])
    const letters = await rows('dead_letters/t', 'poison')
    expect(letters.map(({ partition, offset }) => [partition, String(offset)]).sort()).toEqual([
      [0, '0'],
      [0, '1'],
      [0, '2'],
    ])
    expect(letters[0]).toMatchObject({ topic, step: 'parse', pipeline: 'p' })
    expect(letters.map(({ headers }) => JSON.stringify(headers))).toEqual(Array(3).fill(expect.stringContaining('h')))
    expect((await millrace(['audit', 't', '--data', join(root, 'poison')])).status).toBe(0)
  })

  test('a topic that was deleted and created again stops the pipeline by name', async () => {
    const topic = await on.makeTopic(1)
    await send(topic, '{"id":1}', '{"id":2}')
    const path = definition(topic)
    expect((await run(path, 'replaced')).status).toBe(0)
    await on.admin.deleteTopics({ topics: [topic] })
    await eventually(async () => {
      on.client.forget()
      return (await on.client.topics([topic])).has(topic) ? null : true
    })
    await on.makeTopic(1, {}, topic)
    await send(topic, '{"id":3}', '{"id":4}', '{"id":5}')
    const ended = await run(path, 'replaced')
    expect(ended.status).toBe(1)
    expect(ended.errors).toContain(`${topic} has been deleted and created again`)
    expect(await rows('t', 'replaced')).toHaveLength(2)
  })

  test('records that retention took stop the pipeline with their range, or are passed over and logged', async () => {
    const topic = await on.makeTopic(1)
    await send(topic, ...Array.from({ length: 10 }, (_, id) => JSON.stringify({ id })))
    const [strict, lenient] = [definition(topic), definition(topic, `, onDataLoss: 'continue'`)]
    expect((await run(lenient, 'lost')).status).toBe(0)
    await send(topic, ...Array.from({ length: 10 }, (_, id) => JSON.stringify({ id: 10 + id })))
    await on.admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 14n }] }] })
    const failed = await run(definition(topic), 'lost')
    expect([failed.status, failed.errors]).toEqual([
      1,
      expect.stringContaining(`topic ${topic} partition 0 no longer has offsets [10, 14)`),
    ])
    const went = await run(definition(topic, `, onDataLoss: 'continue'`), 'lost')
    expect(went.status).toBe(0)
    const told = went.lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(told.find(({ outcome }) => outcome === 'data-lost')).toMatchObject({
      level: 'warn',
      ranges: { [`${topic}/0`]: ['10', '14'] },
    })
    expect(await rows('t', 'lost')).toHaveLength(16)
    expect((await millrace(['audit', 't', '--data', join(root, 'lost')])).status).toBe(0)
    expect(strict).toBe(lenient)
  })

  test('dead letters that are older than their topic keeps are read when they are sent again', async () => {
    const [topic, control] = [await on.makeTopic(1), await on.makeTopic(1)]
    await send(topic, 'poison')
    const path = definition(topic)
    expect((await run(path, 'replayed')).status).toBe(0)
    for (const name of [topic, control]) await keepFor(name, 3_600_000)
    await eventually(() => isEmptied(topic))
    const words = ['dead-letters', 'replay', 'dead_letters/t', '--json', '--data', join(root, 'replayed')]
    const { lines } = await millrace(words, { KAFKA_BROKERS: cluster.brokers })
    expect(JSON.parse(lines[0]!)).toMatchObject({ sent: 1 })
    await send(control, 'as old as the first') // after the other: the broker has looked at both when it is gone
    await eventually(() => isEmptied(control))
    expect((await run(path, 'replayed')).status).toBe(0)
    const letters = await rows('dead_letters/t', 'replayed')
    expect(letters.map(({ offset }) => String(offset)).sort()).toEqual(['0', '1'])
    const headers = JSON.stringify(letters.find(({ offset }) => String(offset) === '1')!.headers)
    expect(headers).toContain('millrace-first-timestamp')
  })

  test('a first batch of nothing but aborted records makes the tables and moves on', async () => {
    const { beginTransaction } = await import('../connectors/kafka/transaction.ts')
    const topic = await on.makeTopic(1)
    const transaction = await beginTransaction(on.client, topic)
    const batch = producerBatch()
    batch.add({ partition: 0, key: null, value: Buffer.from('{"id":1}'), timestampMs: 0 })
    await transaction.send(topic, batch)
    await transaction.end('abort')
    const path = definition(topic)
    const first = await run(path, 'aborted')
    expect([first.status, first.errors]).toEqual([0, ''])
    await send(topic, '{"id":2}')
    expect((await run(path, 'aborted')).status).toBe(0)
    expect(await rows('t', 'aborted')).toHaveLength(1)
  })

  test.skipIf(cluster.sasl === '')('a wrong password is refused at the start, and nothing is made', async () => {
    const topic = await on.makeTopic(1)
    const env = {
      KAFKA_BROKERS: cluster.sasl,
      KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT',
      KAFKA_USER: cluster.user,
      KAFKA_PASSWORD: 'wrong-4711',
    }
    const ended = await run(definition(topic), 'refused', env)
    expect(ended.status).toBe(1)
    expect(ended.errors).toMatch(/^millrace: pipeline \S+ failed: kafka: .*refused the user or password.*\n$/)
    expect(ended.errors + ended.lines.join('\n')).not.toContain('wrong-4711')
    expect(await rows('t', 'refused')).toEqual([])
  })
})
