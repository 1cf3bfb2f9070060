/** For tests with a real cluster: topics of their own, and their records read back. */
import { readFileSync } from 'node:fs'
import { Admin, type CompressionAlgorithmValue } from '@platformatic/kafka'
import { systemIds } from '../../engine/clock.ts'
import type { Range } from '../../engine/contracts.ts'
import { producerBatch } from '../records/producer-batch.ts'
import { type KafkaClient, openKafkaClient } from './client.ts'
import { kafkaProducer } from './producer.ts'
import { type KafkaReaderOptions, kafkaReader } from './reader.ts'
import { type PlainRecord, plainRecords } from './records.testing.ts'
import type { KafkaSettings } from './settings.ts'
import { type KafkaSourceOptions, kafkaSource } from './source.ts'
import { createMissingTopics } from './topic-creation.ts'

/** Addresses of the cluster's listeners; empty where tests have none. */
export const cluster = {
  brokers: process.env.MILLRACE_TEST_KAFKA_BROKERS ?? '',
  sasl: process.env.MILLRACE_TEST_KAFKA_BROKERS_SASL ?? '',
  tls: process.env.MILLRACE_TEST_KAFKA_BROKERS_TLS ?? '',
  ca: process.env.MILLRACE_TEST_KAFKA_CA ?? '',
  user: process.env.MILLRACE_TEST_KAFKA_USER ?? '',
  password: process.env.MILLRACE_TEST_KAFKA_PASSWORD ?? '',
}

/** Plain text without authentication unless told otherwise. */
export function clusterSettings(more: Partial<KafkaSettings> = {}): KafkaSettings {
  return {
    brokers: cluster.brokers.split(','),
    clientId: 'millrace-test',
    tls: null,
    sasl: null,
    groupPrefix: `test-${systemIds.uuid()}-`,
    groupMember: null,
    ...more,
  }
}

/** The authority of the cluster's certificates. */
export function clusterAuthority(): string {
  return readFileSync(cluster.ca, 'utf8')
}

/** A client and topics that go when the tests are done. */
export interface TestCluster {
  readonly client: KafkaClient
  readonly admin: Admin
  /** A new topic, kept for ever unless configured otherwise. */
  makeTopic(partitions?: number, configuration?: Readonly<Record<string, string>>, name?: string): Promise<string>
  /** Values `v0`, `v1`, ... of a partition, keyed by themselves. */
  fill(topic: string, count: number, options?: FillOptions): Promise<void>
  source(topic: string, more?: Partial<KafkaSourceOptions>): ReturnType<typeof kafkaSource>
  /** The records of a range; `maxBytes` as for one batch. */
  read(
    range: Range,
    more?: Partial<KafkaReaderOptions>,
  ): Promise<{ readonly records: PlainRecord[]; readonly end: bigint }>
  close(): Promise<void>
}

export interface FillOptions {
  readonly partition?: number
  readonly from?: number
  readonly key?: (i: number) => string
  /** Milliseconds. */
  readonly timestamp?: (i: number) => number
  readonly compression?: CompressionAlgorithmValue
}

/** Opens a client of the plain listener. */
export function openTestCluster(): TestCluster {
  const client = openKafkaClient(clusterSettings())
  const admin = new Admin({ clientId: 'millrace-test', bootstrapBrokers: cluster.brokers.split(',') })
  const made = new Set<string>()
  return {
    client,
    admin,
    async makeTopic(partitions = 1, configuration = {}, name = `test-${systemIds.uuid()}`) {
      await createMissingTopics(client, [
        { name, partitions, configuration: { 'retention.ms': '-1', ...configuration } },
      ])
      made.add(name)
      return name
    },
    async fill(topic, count, { partition = 0, from = 0, key = String, timestamp = Number, compression } = {}) {
      const batch = producerBatch()
      for (let i = from; i < from + count; i += 1)
        batch.add({ partition, key: Buffer.from(key(i)), value: Buffer.from(`v${i}`), timestampMs: timestamp(i) })
      await kafkaProducer({ client, ...(compression === undefined ? {} : { compression }) }).send(topic, batch)
    },
    source(topic, more = {}) {
      return kafkaSource({
        client,
        choice: { topic },
        startFrom: 'earliest',
        onDataLoss: 'fail',
        group: `test-${topic}`,
        ...more,
      })
    },
    async read(range, more = {}) {
      const reader = kafkaReader({ client, onDataLoss: 'fail', identity: new Map(), ...more })
      const records: PlainRecord[] = []
      let end = range.start
      for await (const chunk of reader.read(range, { maxBytes: 2 ** 30, signal: new AbortController().signal })) {
        records.push(...plainRecords(chunk.table))
        end = chunk.end
      }
      return { records, end }
    },
    async close() {
      const there = await admin.listTopics()
      const mine = [...made].filter((name) => there.includes(name))
      if (mine.length > 0) await admin.deleteTopics({ topics: mine })
      await admin.close()
      await client.close()
    },
  }
}

/** Looks again and again until `look` gives something; fails after a minute. */
export async function eventually<T>(look: () => Promise<T | null>): Promise<T> {
  for (let tries = 0; tries < 600; tries += 1) {
    const found = await look()
    if (found !== null) return found
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('it did not come about within a minute')
}
