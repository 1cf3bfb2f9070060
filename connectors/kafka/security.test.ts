import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { producerBatch } from '../records/producer-batch.ts'
import { type KafkaClient, openKafkaClient } from './client.ts'
import { cluster, clusterAuthority, clusterSettings, openTestCluster } from './cluster.testing.ts'
import { kafkaProducer } from './producer.ts'
import { kafkaReader } from './reader.ts'
import type { KafkaSettings } from './settings.ts'

const secret = 'not-the-password-4711'

async function withClient<T>(settings: KafkaSettings, work: (client: KafkaClient) => Promise<T>): Promise<T> {
  const client = openKafkaClient(settings)
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

/** What asking for topics ends with. */
async function refusal(more: Partial<KafkaSettings>): Promise<unknown> {
  return withClient(clusterSettings(more), (client) => client.topics(null)).then(
    () => 'it was let in',
    (error: unknown) => error,
  )
}

test('a broker that is not there can be tried again, and is named', async () => {
  const free = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => free.once('listening', resolve))
  const { port } = free.address() as { port: number }
  await new Promise((resolve) => free.close(resolve))
  const error = await refusal({ brokers: [`127.0.0.1:${port}`] })
  expect(error).toMatchObject({
    code: 'KAFKA_UNREACHABLE',
    retryable: true,
    message: expect.stringMatching(new RegExp(`127\\.0\\.0\\.1:${port}.*KAFKA_BROKERS`)),
  })
})

describe.skipIf(cluster.sasl === '' || cluster.ca === '')('who is let in (needs KAFKA_BROKERS)', () => {
  const sasl = (more: object): Partial<KafkaSettings> => ({
    brokers: cluster.sasl.split(','),
    sasl: { mechanism: 'PLAIN', username: cluster.user, password: cluster.password, ...more },
  })
  const tls = (ca: string | null): Partial<KafkaSettings> => ({
    brokers: cluster.tls.split(','),
    tls: { ca, cert: null, key: null },
  })

  test.each([
    ['PLAIN', () => sasl({})],
    ['SCRAM-SHA-256', () => sasl({ mechanism: 'SCRAM-SHA-256' })],
    ['TLS', () => tls(clusterAuthority())],
  ])('by %s, records are written and read', async (_, settings) => {
    const on = openTestCluster()
    try {
      const topic = await on.makeTopic()
      await withClient(clusterSettings(settings()), async (client) => {
        const batch = producerBatch()
        batch.add({ key: null, value: Buffer.from('let in'), timestampMs: 0 })
        await kafkaProducer({ client }).send(topic, batch)
        const reader = kafkaReader({ client, onDataLoss: 'fail', identity: new Map() })
        const range = { sourcePartition: `${topic}/0`, start: 0n, end: 1n }
        const values: string[] = []
        for await (const { table } of reader.read(range, { maxBytes: 1e6, signal: new AbortController().signal }))
          for (const value of table.getChild('value')!) values.push(Buffer.from(value as Uint8Array).toString())
        expect(values).toEqual(['let in'])
      })
    } finally {
      await on.close()
    }
  })

  test.each([
    ['a wrong password', () => sasl({ password: secret })],
    ['an unknown user', () => sasl({ username: 'nobody', password: secret })],
    ['a wrong password by SCRAM', () => sasl({ mechanism: 'SCRAM-SHA-256', password: secret })],
  ])('%s is refused for good; the message says what to check and not the password', async (_, settings) => {
    const error = await refusal(settings())
    expect(error).toMatchObject({
      code: 'KAFKA_REFUSED',
      retryable: false,
      message: expect.stringContaining('KAFKA_PASSWORD'),
    })
    const { message, stack, context, cause } = error as Error & { context: unknown }
    expect(JSON.stringify([message, stack, context, String(cause)])).not.toContain(secret)
  })

  test('a certificate of an authority that is not trusted is refused for good', async () => {
    expect(await refusal(tls(null))).toMatchObject({
      code: 'KAFKA_REFUSED',
      retryable: false,
      message: expect.stringContaining('KAFKA_CA'),
    })
  })

  test.each([
    ['TLS to a plain listener', () => ({ ...tls(clusterAuthority()), brokers: cluster.brokers.split(',') })],
    ['plain text to a TLS listener', () => ({ brokers: cluster.tls.split(',') })],
  ])('%s is refused with the setting to change', async (_, settings) => {
    expect(await refusal(settings())).toMatchObject({
      message: expect.stringContaining('KAFKA_SECURITY_PROTOCOL'),
      code: 'KAFKA_REFUSED',
    })
  })
})
