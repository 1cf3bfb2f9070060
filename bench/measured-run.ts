/**
 * Runs one pipeline in this process and prints what it cost, as one JSON line. A process of its own for every
 * measurement, so that memory and CPU time are its alone. Started by `measured.ts`:
 *
 *   node bench/measured-run.ts <pipeline> <data directory> <worker threads> [--topic <name>] [--every <s> --until <records>]
 *
 * With a topic the pipeline reads that topic of the cluster that the environment names, instead of its own of the
 * embedded log. It runs to the end of its input, or with a trigger until it has so many records.
 */
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { findPipelines } from '../cli/pipelines.ts'
import { openWorkspace } from '../cli/workspace.ts'
import { kafka } from '../connectors/index.ts'
import { defaultMemoryLimitBytes } from '../engine/memory.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import { runPipeline } from '../engine/run.ts'
import { availableNow, every } from '../engine/trigger.ts'
import type { RunCost } from './measured.ts'
import { cluster } from './options.ts'
import { peakMemoryMiB } from './peak-memory.ts'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { topic: { type: 'string' }, every: { type: 'string' }, until: { type: 'string', default: 'Infinity' } },
})
const [name = '', dataDir = '', threads = '1'] = positionals
const [found] = await findPipelines([name])
const trigger = values.every === undefined ? availableNow() : every({ seconds: Number(values.every) })
const pipeline: Pipeline = { ...(values.topic === undefined ? found! : reading(found!, values.topic)), trigger }
const workspace = await openWorkspace({
  dataDir,
  workers: Number(threads),
  memoryLimitBytes: defaultMemoryLimitBytes,
  kafka: values.topic === undefined ? null : cluster(),
})
const stop = new AbortController()
const never = new AbortController().signal
const batchMs: number[] = []
let rows = 0
let bytes = 0
let plannedMs = 0
let firstCommitMs = 0
let cpuAtFirstPlan: NodeJS.CpuUsage | undefined
const cpuBefore = process.cpuUsage()
const startedMs = performance.now()
await new Promise<void>((resolve, reject) => {
  runPipeline(pipeline, workspace.runtime, { stop: stop.signal, abandon: never }).subscribe({
    next(event) {
      if (event.type === 'planned') {
        plannedMs = performance.now()
        cpuAtFirstPlan ??= process.cpuUsage()
      }
      if (event.type !== 'committed') return
      if (batchMs.length === 0) firstCommitMs = performance.now()
      batchMs.push(Math.round(performance.now() - plannedMs))
      rows += event.rowsIn
      bytes += event.bytesIn
      if (rows >= Number(values.until)) stop.abort()
    },
    complete: resolve,
    error: reject,
  })
})
const endedMs = performance.now()
const cpuSeconds = seconds(process.cpuUsage(cpuBefore))
const cpuSecondsFromFirstPlan = seconds(process.cpuUsage(cpuAtFirstPlan))
await workspace.close()
const cost: RunCost = {
  rows,
  bytes,
  startUpSeconds: startedMs / 1000,
  wallSeconds: (endedMs - startedMs) / 1000,
  cpuSeconds,
  cpuSecondsFromFirstPlan,
  processCpuSeconds: seconds(process.cpuUsage()),
  processStartToFirstCommitMs: Math.round(firstCommitMs),
  batchMs,
  peakMemoryMiB: peakMemoryMiB(),
}
console.log(JSON.stringify(cost))

function reading(definition: Pipeline, topic: string): Pipeline {
  const sources = Object.keys(definition.sources).map((source) => [source, kafka({ topic })] as const)
  return { ...definition, sources: Object.fromEntries(sources) }
}

function seconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1e6
}
