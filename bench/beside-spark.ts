/**
 * The bronze pipeline and the same with Spark, one after the other on one topic and then again, as one JSON line. Figures are of the faster turn
 * of each: what a machine gives changes from one minute to the next.
 *
 *   node bench/beside-spark.ts [--records 1000000]
 *
 * Needs KAFKA_BROKERS, SPARK_PYTHON (a Python with PySpark) and SPARK_JARS (Delta and the Kafka source, with commas).
 */
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBenchTopic, type Sent } from './bench-topic.ts'
import { withBrokerCpu } from './broker-cpu.ts'
import { manySmallDocuments } from './documents.ts'
import { machineFacts } from './machine.ts'
import { lastLine, measureRun, type RunCost } from './measured.ts'
import { benchArguments } from './options.ts'
import { quantile, rounded } from './quantile.ts'

/** What both sides tell. */
type Cost = Pick<
  RunCost,
  'rows' | 'startUpSeconds' | 'wallSeconds' | 'cpuSeconds' | 'processCpuSeconds' | 'batchMs' | 'peakMemoryMiB'
>

interface Turn {
  readonly result: Cost
  readonly brokerCpuSeconds: number | null
}

const turns = 2
const { kafka, records } = benchArguments(process.argv.slice(2)).options
const python = process.env.SPARK_PYTHON
if (kafka === null || python === undefined || process.env.SPARK_JARS === undefined) {
  console.error('beside-spark: set KAFKA_BROKERS, SPARK_PYTHON and SPARK_JARS')
  process.exit(2)
}
const dir = join(tmpdir(), `millrace-beside-spark-${process.pid}`)
const script = join(import.meta.dirname, 'spark-kafka-to-delta.py')
const topic = await createBenchTopic(kafka)
try {
  const sent = await topic.fill(manySmallDocuments(), records)
  const sides = { ours: [] as Turn[], spark: [] as Turn[] }
  for (let turn = 0; turn < turns; turn += 1) {
    const dataDir = join(dir, `millrace-${turn}`)
    sides.ours.push(
      await withBrokerCpu(kafka, () =>
        measureRun({ pipeline: 'bronze-movies', dataDir, threads: 2, topic: topic.name }),
      ),
    )
    const folder = join(dir, `spark-${turn}`)
    sides.spark.push(
      await withBrokerCpu(kafka, () => lastLine<Cost>(python, [script, kafka.brokers.join(','), topic.name, folder])),
    )
  }
  for (const { result } of [...sides.ours, ...sides.spark])
    if (result.rows !== records) throw new Error(`${result.rows} rows of ${records} records`)
  const [ours, spark] = [fastest(sides.ours), fastest(sides.spark)]
  console.log(
    JSON.stringify({
      bench: 'kafka-to-delta beside Spark',
      machine: machineFacts(),
      records,
      megabytes: rounded(sent.bytes / 1e6),
      turns,
      millrace: { ...figures(sent, ours.result), brokerCpuSeconds: ours.brokerCpuSeconds },
      spark: { ...figures(sent, spark.result), brokerCpuSeconds: spark.brokerCpuSeconds },
      sparkToMillrace: ratios(spark.result, ours.result),
    }),
  )
} finally {
  await topic.remove()
  rmSync(dir, { recursive: true, force: true })
}

function fastest(all: readonly Turn[]): Turn {
  return all.reduce((best, turn) => (turn.result.wallSeconds < best.result.wallSeconds ? turn : best))
}

function figures({ records: count, bytes }: Sent, cost: Cost): Readonly<Record<string, number>> {
  return {
    startUpSeconds: rounded(cost.startUpSeconds, 2),
    wallSeconds: rounded(cost.wallSeconds, 2),
    recordsPerSecond: rounded(count / cost.wallSeconds),
    cpuSeconds: rounded(cost.cpuSeconds, 2),
    cpuSecondsWithStartUp: rounded(cost.processCpuSeconds, 2),
    megabytesPerCpuSecond: rounded(bytes / 1e6 / cost.cpuSeconds, 1),
    batches: cost.batchMs.length,
    batchMedianMs: quantile(cost.batchMs, 0.5),
    peakMemoryMiB: cost.peakMemoryMiB,
  }
}

/** How many times as much. */
function ratios(spark: Cost, ours: Cost): Readonly<Record<string, number>> {
  const whole = (cost: Cost) => cost.startUpSeconds + cost.wallSeconds
  return {
    wallSeconds: rounded(spark.wallSeconds / ours.wallSeconds, 2),
    wallSecondsWithStartUp: rounded(whole(spark) / whole(ours), 2),
    cpuSeconds: rounded(spark.cpuSeconds / ours.cpuSeconds, 2),
    peakMemory: rounded(spark.peakMemoryMiB / ours.peakMemoryMiB, 2),
  }
}
