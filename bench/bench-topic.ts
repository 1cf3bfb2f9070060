/** A topic of a cluster that one bench fills and removes. */
import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Admin } from '@platformatic/kafka'
import { openTopicProducer } from '../cli/topic-producer.ts'
import { connectionOptions } from '../connectors/kafka/client.ts'
import type { KafkaSettings } from '../connectors/kafka/settings.ts'
import { type ProducerRecord, producerBatch } from '../connectors/records/producer-batch.ts'
import { recordOf } from '../connectors/tmdb/envelope.ts'
import { systemClock as clock, systemIds as ids } from '../engine/clock.ts'
import type { DocumentSet } from './documents.ts'

/** An open topic; `remove` closes it. */
export interface BenchTopic {
  readonly name: string
  /** Sends so many records, over and over those of `set`, each time an hour later. Their keys choose the partition. */
  fill(set: DocumentSet, records: number): Promise<Sent>
  /** Sends at a steady rate for so long. */
  trickle(set: DocumentSet, pace: { readonly recordsPerSecond: number; readonly seconds: number }): Promise<Sent>
  remove(): Promise<void>
}

export interface Sent {
  readonly records: number
  /** Of keys and values. */
  readonly bytes: number
}

export const benchPartitions = 4
/** Records handed to the producer at once. */
const sendRecords = 4000
const tickMs = 100

/** Creates a topic of its own for this process. */
export async function createBenchTopic(kafka: KafkaSettings): Promise<BenchTopic> {
  const name = `bench-${process.pid}-${ids.uuid().slice(0, 8)}`
  const producer = await openTopicProducer({ kafka, logDir: '', clock, ids })
  await producer.createTopics([name], benchPartitions)

  async function send(records: ProducerRecord[]): Promise<number> {
    const batch = producerBatch()
    for (const record of records) batch.add(record)
    await producer.send(name, batch)
    return batch.sizeBytes()
  }

  return {
    name,
    async fill(set, records) {
      const source = endless(set)
      let bytes = 0
      for (let sent = 0; sent < records; sent += sendRecords)
        bytes += await send(take(source, Math.min(sendRecords, records - sent)))
      await promisify(execFile)('sync') // a broker's writing would go on into what is measured
      return { records, bytes }
    },
    async trickle(set, { recordsPerSecond, seconds }) {
      const source = endless(set)
      const records = recordsPerSecond * seconds
      const startedMs = performance.now()
      let bytes = 0
      let sent = 0
      while (sent < records) {
        const due = Math.min(records, Math.ceil(((performance.now() - startedMs) / 1000) * recordsPerSecond))
        if (due > sent) bytes += await send(take(source, due - sent))
        sent = due
        await sleep(tickMs)
      }
      return { records, bytes }
    },
    async remove() {
      await producer.close()
      await removeTopic(kafka, name)
    },
  }
}

function* endless(set: DocumentSet): Generator<ProducerRecord, never> {
  const once = set.events.map(recordOf)
  for (let turn = 0; ; turn += 1)
    for (const { key, value, timestampMs } of once) yield { key, value, timestampMs: timestampMs + turn * 3_600_000 }
}

function take(source: Generator<ProducerRecord, never>, count: number): ProducerRecord[] {
  return Array.from({ length: count }, () => source.next().value)
}

async function removeTopic(kafka: KafkaSettings, topic: string): Promise<void> {
  const bootstrapBrokers = [...kafka.brokers]
  const admin = new Admin({ clientId: kafka.clientId, bootstrapBrokers, ...connectionOptions(kafka) })
  try {
    await admin.deleteTopics({ topics: [topic] })
  } finally {
    await admin.close()
  }
}
