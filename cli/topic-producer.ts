/** A producer of the log that is configured: a cluster, or the embedded one. */

import type { TornTail } from '../connectors/file-log/tail.ts'
import type { KafkaSettings } from '../connectors/kafka/settings.ts'
import type { ProducerBatch } from '../connectors/records/producer-batch.ts'
import type { RefuseRecord } from '../connectors/records/sink-rows.ts'
import type { Clock, Ids } from '../engine/contracts.ts'
import { tornTailLine } from './log-lines.ts'

export interface TopicProducerOptions {
  /** Folder of the embedded log. */
  readonly logDir: string
  /** The cluster that serves topics; null: the embedded log does. */
  readonly kafka?: KafkaSettings | null
  readonly clock: Clock
  readonly ids: Ids
}

/** Makes topics and sends to them. */
export interface TopicProducer {
  /** Creates those that are not there; one that is keeps its partitions. In a cluster they keep records for ever, unless `kept` says otherwise. */
  createTopics(topics: readonly string[], partitions: number, kept?: 'for-ever' | 'as-configured'): Promise<void>
  /** What a topic that is there refuses, so that it need not be sent. */
  refusals(topic: string): Promise<RefuseRecord>
  /** The batch is in the log when it returns. */
  send(topic: string, batch: ProducerBatch): Promise<void>
  close(): Promise<void>
}

/** Connects to nothing yet. */
export async function openTopicProducer(options: TopicProducerOptions): Promise<TopicProducer> {
  return options.kafka ? clusterProducer(options.kafka, options.clock) : embeddedProducer(options)
}

/**
 * Records carry the time of their event, which may be long past: a cluster that counts days from there would drop them
 * as soon as they are sent.
 */
const keptForever = { 'retention.ms': '-1' }

async function clusterProducer(settings: KafkaSettings, clock: Clock): Promise<TopicProducer> {
  const { openKafkaClient } = await import('../connectors/kafka/client.ts')
  const { kafkaProducer } = await import('../connectors/kafka/producer.ts')
  const { createMissingTopics } = await import('../connectors/kafka/topic-creation.ts')
  const client = openKafkaClient(settings)
  const producer = kafkaProducer({ client })
  return {
    createTopics: (topics, partitions, kept = 'for-ever') =>
      createMissingTopics(
        client,
        topics.map((name) => ({ name, partitions, ...(kept === 'for-ever' ? { configuration: keptForever } : {}) })),
      ),
    async refusals(topic) {
      const { refusesBeyond, topicLimits } = await import('../connectors/kafka/topic-limits.ts')
      return refusesBeyond(await topicLimits(client, topic, clock.nowMs()))
    },
    send: (topic, batch) => producer.send(topic, batch),
    close: () => client.close(),
  }
}

async function embeddedProducer({ logDir: dir, clock, ids }: TopicProducerOptions): Promise<TopicProducer> {
  const { openProducer } = await import('../connectors/file-log/producer.ts')
  const { readTopic } = await import('../connectors/file-log/topic.ts')
  const onTornTail = (tail: TornTail): void => console.error(tornTailLine(tail, clock.nowMs()))
  const producer = await openProducer({ dir, clock, ids, onTornTail })
  return {
    async createTopics(topics, partitions) {
      for (const topic of topics)
        if ((await readTopic(dir, topic)) === null) await producer.createTopic(topic, partitions)
    },
    refusals: async () => () => null,
    async send(topic, batch) {
      await producer.append(topic, batch)
    },
    close: () => producer.close(),
  }
}
