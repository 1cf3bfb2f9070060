/** From the start of the process to the first commit, and what an idle stream holds. */
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { smallDocuments } from './documents.ts'
import { fillLog } from './prepare.ts'
import { processMemory } from './process-memory.ts'
import type { BenchResult } from './result.ts'

const main = join(import.meta.dirname, '../cli/main.ts')
/** The embedded log, also where the environment names a cluster. */
const env = { ...process.env, KAFKA_BROKERS: '' }

/** Spawn to the log line of the first batch's commit: a small batch, a new table. Median of five. */
export async function* startUp(dir: string): AsyncGenerator<BenchResult> {
  await fillLog(dir, smallDocuments(), 1)
  const times: number[] = []
  for (let turn = 0; turn < 5; turn += 1) {
    rmSync(join(dir, 'lake'), { recursive: true, force: true })
    const startedMs = performance.now()
    const child = spawn(process.execPath, [main, 'run', 'bronze-movies', '--available-now', '--data', dir], { env })
    for await (const line of createInterface(child.stdout))
      if (line.includes('"committed"')) times.push(performance.now() - startedMs)
  }
  if (times.length < 5) throw new Error(`only ${times.length} of 5 runs committed a batch`)
  times.sort((a, b) => a - b)
  yield {
    bench: 'start-up',
    startToFirstCommitMs: Math.round(times[2]!),
    fastestMs: Math.round(times[0]!),
  }
}

/** Resident memory of a bronze stream that has had nothing to do for twelve seconds. */
export async function* idle(dir: string): AsyncGenerator<BenchResult> {
  await fillLog(dir, smallDocuments(), 1)
  const child = spawn(process.execPath, [main, 'run', 'bronze-movies', '--every', '0.2', '--data', dir], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface(child.stdout)) if (line.includes('"committed"')) break
  await new Promise((resolve) => setTimeout(resolve, 12_000))
  const memory = processMemory(child.pid!)
  child.kill('SIGTERM')
  await new Promise((resolve) => child.once('exit', resolve))
  yield { bench: 'idle', residentMiB: memory?.residentMiB ?? Number.NaN }
}
