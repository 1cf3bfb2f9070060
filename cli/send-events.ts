/** Sends simulated events through the log. */
import { producerBatch } from '../connectors/records/producer-batch.ts'
import { type TmdbEvent, topics } from '../connectors/tmdb/event.ts'
import { type SimulateOptions, type SimulationReport, simulate } from '../connectors/tmdb/simulator.ts'
import { openTopicProducer, type TopicProducerOptions } from './topic-producer.ts'

export interface SendOptions extends SimulateOptions, TopicProducerOptions {
  /** Partitions of topics that do not exist yet. */
  readonly partitions: number
  readonly clock: SimulateOptions['clock']
}

/** Creates the platform's topics where they are missing, and appends one record for each event, besides disorder. */
export async function sendEvents(
  events: Iterable<TmdbEvent> | AsyncIterable<TmdbEvent>,
  options: SendOptions,
): Promise<SimulationReport> {
  const producer = await openTopicProducer(options)
  try {
    await producer.createTopics(Object.values(topics), options.partitions)
    return await simulate(events, options, {
      async append(topic, records) {
        const batch = producerBatch()
        for (const { key, value, timestampMs } of records) batch.add({ key, value, timestampMs })
        await producer.send(topic, batch)
      },
    })
  } finally {
    await producer.close()
  }
}
