/** From a topic of a cluster to the bronze table: throughput, memory, and how long batches of a stream take. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { KafkaSettings } from '../connectors/kafka/settings.ts'
import { type BenchTopic, createBenchTopic, type Sent } from './bench-topic.ts'
import { withBrokerCpu } from './broker-cpu.ts'
import { type DocumentSet, largeDocuments, manySmallDocuments } from './documents.ts'
import { measureRun, type RunCost } from './measured.ts'
import type { BenchOptions } from './options.ts'
import { quantile, rounded } from './quantile.ts'
import type { BenchResult } from './result.ts'
import { parseMegabytesPerSecond } from './yardstick.ts'

/** Of 20-KB records there are as many as make up the same bytes. */
const largeRecordsShare = 1 / 20
const streamRecordsPerSecond = 5000

/** Where the environment names a cluster; elsewhere one line that says so. */
export async function* kafkaToDelta(dir: string, options: BenchOptions): AsyncGenerator<BenchResult> {
  const { kafka, records } = options
  if (kafka === null) return yield { bench: 'kafka-to-delta', skipped: 'set KAFKA_BROKERS to measure with a cluster' }
  const small = { dir, kafka, set: manySmallDocuments(), records }
  yield* throughput(small, [1, 2])
  yield* throughput({ dir, kafka, set: largeDocuments(), records: Math.ceil(records * largeRecordsShare) }, [2])
  yield await stream(small, options.seconds)
}

interface Subject {
  readonly dir: string
  readonly kafka: KafkaSettings
  readonly set: DocumentSet
  readonly records: number
}

/** All records are there when a run starts: what it may hold of them is shown by the peak of its memory. */
async function* throughput(subject: Subject, threadCounts: readonly number[]): AsyncGenerator<BenchResult> {
  const topic = await createBenchTopic(subject.kafka)
  try {
    const sent = await topic.fill(subject.set, subject.records)
    const wallSeconds: number[] = []
    for (const threads of threadCounts) {
      const { result: cost, brokerCpuSeconds } = await withBrokerCpu(subject.kafka, () =>
        toTheEnd(subject, topic, threads),
      )
      if (cost.rows !== sent.records) throw new Error(`${cost.rows} rows of ${sent.records} records`)
      wallSeconds.push(cost.wallSeconds)
      yield {
        ...figures(`kafka-to-delta ${subject.set.name}, ${threads} worker`, { subject, sent, cost }),
        brokerCpuSeconds,
      }
    }
    const [first, second] = wallSeconds
    if (first !== undefined && second !== undefined)
      yield {
        bench: `kafka-to-delta ${subject.set.name}, 2 workers to 1`,
        wallSecondsRatio: rounded(second / first, 2),
      }
  } finally {
    await topic.remove()
  }
}

/** From an empty lake to the end of the topic. */
async function toTheEnd({ dir }: Subject, { name: topic }: BenchTopic, threads: number): Promise<RunCost> {
  emptyLake(dir)
  return measureRun({ pipeline: 'bronze-movies', dataDir: dir, threads, topic })
}

function figures(
  bench: string,
  { subject, sent, cost }: { readonly subject: Subject; readonly sent: Sent; readonly cost: RunCost },
): BenchResult {
  const megabytes = sent.bytes / 1e6
  const perCpuSecond = megabytes / cost.processCpuSeconds
  return {
    bench,
    ratio: rounded(perCpuSecond / parseMegabytesPerSecond(subject.set), 3),
    records: sent.records,
    megabytes: rounded(megabytes),
    startUpSeconds: rounded(cost.startUpSeconds, 2),
    wallSeconds: rounded(cost.wallSeconds, 2),
    recordsPerSecond: rounded(sent.records / cost.wallSeconds),
    megabytesPerSecond: rounded(megabytes / cost.wallSeconds),
    megabytesPerCpuSecond: rounded(perCpuSecond, 1),
    megabytesPerCpuSecondFromFirstPlan: rounded(megabytes / cost.cpuSecondsFromFirstPlan, 1),
    cpuSecondsPerMillionRecords: rounded((cost.processCpuSeconds / sent.records) * 1e6, 2),
    batches: cost.batchMs.length,
    batchMedianMs: quantile(cost.batchMs, 0.5),
    batchP99Ms: quantile(cost.batchMs, 0.99),
    peakMemoryMiB: cost.peakMemoryMiB,
  }
}

/** A batch every second while records come in steadily. The first batch starts threads and makes the table. */
async function stream({ dir, kafka, set }: Subject, seconds: number): Promise<BenchResult> {
  const topic = await createBenchTopic(kafka)
  const ended = new AbortController()
  try {
    emptyLake(dir)
    const untilRecords = streamRecordsPerSecond * seconds
    const [cost] = await Promise.all([
      measureRun({
        pipeline: 'bronze-movies',
        dataDir: dir,
        threads: 2,
        topic: topic.name,
        stream: { everySeconds: 1, untilRecords },
        signal: ended.signal,
      }),
      topic.trickle(set, { recordsPerSecond: streamRecordsPerSecond, seconds }),
    ])
    const [firstBatchMs, ...batchMs] = cost.batchMs
    return {
      bench: 'kafka-to-delta stream, a batch every second',
      recordsPerSecond: streamRecordsPerSecond,
      records: cost.rows,
      firstBatchMs,
      batches: batchMs.length,
      batchMedianMs: quantile(batchMs, 0.5),
      batchP99Ms: quantile(batchMs, 0.99),
      processCpuSeconds: rounded(cost.processCpuSeconds, 2),
      peakMemoryMiB: cost.peakMemoryMiB,
    }
  } finally {
    ended.abort()
    await topic.remove()
  }
}

function emptyLake(dir: string): void {
  rmSync(join(dir, 'lake'), { recursive: true, force: true })
}
