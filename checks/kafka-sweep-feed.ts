/** Keeps records coming: numbered values under keys that repeat, now and then one that is no record at all. */
import { setTimeout as sleep } from 'node:timers/promises'
import { openKafkaClient } from '../connectors/kafka/client.ts'
import { kafkaProducer } from '../connectors/kafka/producer.ts'
import type { KafkaSettings } from '../connectors/kafka/settings.ts'
import { createMissingTopics } from '../connectors/kafka/topic-creation.ts'
import { producerBatch } from '../connectors/records/producer-batch.ts'
import type { Draw } from './random.ts'

export interface FeedOptions {
  readonly settings: KafkaSettings
  readonly topic: string
  readonly output: string
  readonly partitions: number
}

/** A stream of records into a topic of its own. */
export interface Feed {
  /** Sends small batches until `done` says so. */
  run(draw: Draw, done: () => boolean): Promise<void>
  close(): Promise<void>
}

/** Creates both topics. */
export async function openFeed({ settings, topic, output, partitions }: FeedOptions): Promise<Feed> {
  const client = openKafkaClient(settings)
  const configuration = { 'retention.ms': '-1' }
  await createMissingTopics(client, [
    { name: topic, partitions, configuration },
    { name: output, partitions: 4, configuration },
  ])
  const producer = kafkaProducer({ client })
  let sent = 0
  return {
    async run(draw, done) {
      while (!done()) {
        const batch = producerBatch()
        for (let i = 0; i < 40; i += 1, sent += 1) {
          const id = draw(500)
          const text = draw(30) === 0 ? `poison ${sent}` : JSON.stringify({ id, sent, text: 'x'.repeat(draw(300)) })
          batch.add({ key: Buffer.from(String(id)), value: Buffer.from(text), timestampMs: sent })
        }
        await producer.send(topic, batch)
        await sleep(20)
      }
    },
    close: () => client.close(),
  }
}
