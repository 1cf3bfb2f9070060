/** What reading a topic costs with each of the clients: it decides which one is used. */
import { createBenchTopic } from './bench-topic.ts'
import { withBrokerCpu } from './broker-cpu.ts'
import { manySmallDocuments } from './documents.ts'
import { measure } from './measured.ts'
import type { BenchOptions } from './options.ts'
import { rounded } from './quantile.ts'
import type { ReadCost } from './read-topic.ts'
import type { BenchResult } from './result.ts'
import { topicReaders } from './topic-readers.ts'

/** The same topic to its end, each in a process of its own, one thread. */
export async function* kafkaClients(_dir: string, { kafka, records }: BenchOptions): AsyncGenerator<BenchResult> {
  if (kafka === null) return yield { bench: 'kafka-clients', skipped: 'set KAFKA_BROKERS to measure with a cluster' }
  const topic = await createBenchTopic(kafka)
  try {
    const sent = await topic.fill(manySmallDocuments(), records)
    for (const client of Object.keys(topicReaders)) {
      const { result: cost, brokerCpuSeconds } = await withBrokerCpu(kafka, () =>
        measure<ReadCost>('read-topic.ts', [client, topic.name, String(records)]),
      )
      if (cost.records !== sent.records || cost.bytes !== sent.bytes)
        throw new Error(`${client}: ${cost.records} records, ${cost.bytes} bytes; sent ${sent.records}, ${sent.bytes}`)
      yield {
        bench: `kafka-clients ${client}`,
        records,
        megabytes: rounded(sent.bytes / 1e6),
        wallSeconds: rounded(cost.wallSeconds, 2),
        recordsPerSecond: rounded(records / cost.wallSeconds),
        megabytesPerSecond: rounded(sent.bytes / 1e6 / cost.wallSeconds),
        megabytesPerCpuSecond: rounded(sent.bytes / 1e6 / cost.cpuSeconds),
        cpuSeconds: rounded(cost.cpuSeconds, 2),
        peakMemoryMiB: cost.peakMemoryMiB,
        brokerCpuSeconds,
      }
    }
  } finally {
    await topic.remove()
  }
}
