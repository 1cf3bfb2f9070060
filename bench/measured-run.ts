/**
 * Runs one pipeline to the end of its input in this process and prints what it cost, as one JSON line. A process of
 * its own for every measurement, so that memory and CPU time are its alone.
 *
 *   node bench/measured-run.ts <pipeline> <data directory> <worker threads>
 */
import { performance } from 'node:perf_hooks'
import { defaultMemoryLimitBytes } from '../cli/config.ts'
import { findPipelines } from '../cli/pipelines.ts'
import { openWorkspace } from '../cli/workspace.ts'
import { runPipeline } from '../engine/run.ts'
import { availableNow } from '../engine/trigger.ts'

const [name = '', dataDir = '', threads = '1'] = process.argv.slice(2)
const [pipeline] = await findPipelines([name])
const workspace = await openWorkspace({ dataDir, workers: Number(threads), memoryLimitBytes: defaultMemoryLimitBytes })
const never = new AbortController().signal
const batches: number[] = []
let rows = 0
let firstCommitMs = 0
const cpuBefore = process.cpuUsage()
const startedMs = performance.now()
await new Promise<void>((resolve, reject) => {
  runPipeline({ ...pipeline!, trigger: availableNow() }, workspace.runtime, { stop: never, abandon: never }).subscribe({
    next(event) {
      if (event.type !== 'committed') return
      if (batches.length === 0) firstCommitMs = performance.now()
      rows += event.rowsIn
      batches.push(event.durationMs)
    },
    complete: resolve,
    error: reject,
  })
})
const wallSeconds = (performance.now() - startedMs) / 1000
const cpu = process.cpuUsage(cpuBefore)
batches.sort((a, b) => a - b)
await workspace.close()
console.log(
  JSON.stringify({
    rows,
    wallSeconds,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    processStartToFirstCommitMs: Math.round(firstCommitMs),
    batches: batches.length,
    batchMedianMs: batches[Math.floor(batches.length / 2)],
    batchP99Ms: batches[Math.ceil(batches.length * 0.99) - 1],
    peakMemoryMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  }),
)
