/** Sends simulated events through the embedded log. */
import { openProducer, producerBatch } from '../connectors/file-log/producer.ts'
import { readTopic } from '../connectors/file-log/topic.ts'
import { type TmdbEvent, topics } from '../connectors/tmdb/event.ts'
import { type SimulateOptions, type SimulationReport, simulate } from '../connectors/tmdb/simulator.ts'
import type { Ids } from '../engine/contracts.ts'

export interface SendOptions extends SimulateOptions {
  readonly logDir: string
  /** Partitions of topics that do not exist yet. */
  readonly partitions: number
  readonly ids: Ids
}

/** Creates the platform's topics where they are missing, and appends one record for each event, besides disorder. */
export async function sendEvents(
  events: Iterable<TmdbEvent> | AsyncIterable<TmdbEvent>,
  options: SendOptions,
): Promise<SimulationReport> {
  const { logDir: dir, partitions, clock, ids } = options
  const producer = await openProducer({ dir, clock, ids })
  try {
    for (const topic of Object.values(topics))
      if ((await readTopic(dir, topic)) === null) await producer.createTopic(topic, partitions)
    return await simulate(events, options, {
      async append(topic, records) {
        const batch = producerBatch()
        for (const { key, value, timestampMs } of records) batch.add({ key, value, timestampMs })
        await producer.append(topic, batch)
      },
    })
  } finally {
    await producer.close()
  }
}
