/**
 * The clients that a topic can be read with, each given what it hands out by itself: messages as objects, or Arrow
 * tables. All ask for 4 MiB of a partition at once, commit no offsets, and look at the length of every key and value.
 */
import type { KafkaSettings } from '../connectors/kafka/settings.ts'

export interface TopicReading {
  readonly kafka: KafkaSettings
  readonly topic: string
  /** That the topic holds. */
  readonly records: number
}

export interface Tally {
  readonly records: number
  /** Of keys and values. */
  readonly bytes: number
  /** Once the time is taken: leaving a group takes its own. */
  close(): Promise<void>
}

type TopicReader = (reading: TopicReading) => Promise<Tally>

/** By name; the client's modules are loaded by the first call, which is not measured. */
export const topicReaders = { kafkajs, platformatic, millrace } satisfies {
  readonly [client: string]: () => Promise<TopicReader>
}

const partitionBytes = 4 * 2 ** 20
const answerBytes = 4 * partitionBytes

async function kafkajs(): Promise<TopicReader> {
  const { Kafka, logLevel } = await import('kafkajs')
  return async ({ kafka, topic, records: wanted }) => {
    const { clientId, brokers, groupPrefix } = kafka
    const consumer = new Kafka({ clientId, brokers: [...brokers], logLevel: logLevel.ERROR }).consumer({
      groupId: `${groupPrefix}kafkajs`,
      maxBytesPerPartition: partitionBytes,
      maxBytes: answerBytes,
    })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    const { promise: all, resolve, reject } = Promise.withResolvers<void>()
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
    let records = 0
    let bytes = 0
    await consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: 4,
      async eachBatch({ batch: { messages } }) {
        for (const { key, value } of messages) bytes += (key?.length ?? 0) + (value?.length ?? 0)
        records += messages.length
        if (records >= wanted) resolve()
      },
    })
    await all
    return { records, bytes, close: () => consumer.disconnect() }
  }
}

async function platformatic(): Promise<TopicReader> {
  const { Consumer, MessagesStreamModes } = await import('@platformatic/kafka')
  const { connectionOptions } = await import('../connectors/kafka/client.ts')
  return async ({ kafka, topic, records: wanted }) => {
    const consumer = new Consumer({
      ...connectionOptions(kafka),
      clientId: kafka.clientId,
      bootstrapBrokers: [...kafka.brokers],
      groupId: `${kafka.groupPrefix}platformatic`,
      autocommit: false,
      maxBytes: answerBytes,
      maxBytesPerPartition: partitionBytes,
    })
    const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST })
    const { promise: all, resolve, reject } = Promise.withResolvers<void>()
    let records = 0
    let bytes = 0
    stream.on('error', reject)
    stream.on('data', ({ key, value }) => {
      bytes += (key?.length ?? 0) + (value?.length ?? 0)
      records += 1
      if (records === wanted) resolve()
    })
    await all
    return { records, bytes, close: () => consumer.close(true) }
  }
}

async function millrace(): Promise<TopicReader> {
  const { openKafkaClient } = await import('../connectors/kafka/client.ts')
  const { kafkaReader } = await import('../connectors/kafka/reader.ts')
  const { kafkaSource } = await import('../connectors/kafka/source.ts')
  return async ({ kafka, topic }) => {
    const client = openKafkaClient(kafka)
    const onDataLoss = 'fail'
    const source = kafkaSource({ client, choice: { topic }, startFrom: 'earliest', onDataLoss, group: 'unused' })
    const [start, latest] = [await source.start(), await source.latest()]
    const reader = kafkaReader({ client, onDataLoss, identity: (await source.identity?.()) ?? new Map() })
    const limits = { maxBytes: Number.POSITIVE_INFINITY, signal: new AbortController().signal }
    let records = 0
    let bytes = 0
    const toTheEnd = async (sourcePartition: string, end: bigint): Promise<void> => {
      const range = { sourcePartition, start: start.get(sourcePartition) ?? 0n, end }
      for await (const { table } of reader.read(range, limits)) {
        records += table.numRows
        bytes += bytesOf(table.getChild('key')) + bytesOf(table.getChild('value'))
      }
    }
    await Promise.all([...latest].map(([sourcePartition, end]) => toTheEnd(sourcePartition, end)))
    return { records, bytes, close: () => client.close() }
  }
}

/** Of a binary column: the ends of its values, as offsets. */
function bytesOf(column: { readonly data: readonly { readonly valueOffsets: Int32Array }[] } | null): number {
  return (column?.data ?? []).reduce((sum, { valueOffsets: at }) => sum + (at.at(-1) ?? 0) - (at[0] ?? 0), 0)
}
