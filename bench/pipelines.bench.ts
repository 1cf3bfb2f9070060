/** Throughput of bronze and silver, per core of CPU time. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { recordOf } from '../connectors/tmdb/envelope.ts'
import { type DocumentSet, fullDocuments, smallDocuments } from './documents.ts'
import { fillLog } from './prepare.ts'

export interface BenchResult {
  readonly bench: string
  /** Of the measure to `JSON.parse` of the same bytes in this run; bigger is better. */
  readonly ratio?: number
  readonly [figure: string]: unknown
}

const megabytes = 250

/** Topic to bronze table. */
export async function* bronze(dir: string): AsyncGenerator<BenchResult> {
  for (const set of [smallDocuments(), fullDocuments()]) {
    const { bytes } = await fillLog(dir, set, megabytes)
    for (const threads of [1, 2])
      yield measured(`bronze ${set.name}, ${threads} worker`, 'bronze-movies', dir, bytes, set, threads)
  }
}

/** Bronze table to silver table, every version of every title in one go; the workers have no part in it. */
export async function* silver(dir: string): AsyncGenerator<BenchResult> {
  for (const set of [smallDocuments(), fullDocuments()]) {
    const { bytes } = await fillLog(dir, set, megabytes)
    run('bronze-movies', dir, 2)
    yield measured(`silver ${set.name}`, 'silver-movies', dir, bytes, set, 1)
  }
}

function measured(
  bench: string,
  pipeline: string,
  dir: string,
  bytes: number,
  set: DocumentSet,
  threads: number,
): BenchResult {
  const parse = parseMegabytesPerSecond(set)
  const cost = run(pipeline, join(dir), threads)
  const perCore = bytes / 1e6 / cost.cpuSeconds
  return {
    bench,
    ratio: Math.round((perCore / parse) * 1000) / 1000,
    records: cost.rows,
    megabytes: Math.round(bytes / 1e6),
    recordsPerSecond: Math.round(cost.rows / cost.wallSeconds),
    megabytesPerSecond: Math.round(bytes / 1e6 / cost.wallSeconds),
    megabytesPerCpuSecond: Math.round(perCore),
    cpuSeconds: cost.cpuSeconds,
    batchMedianMs: cost.batchMedianMs,
    batchP99Ms: cost.batchP99Ms,
    peakMemoryMiB: cost.peakMemoryMiB,
  }
}

interface Cost {
  readonly rows: number
  readonly wallSeconds: number
  readonly cpuSeconds: number
  readonly batchMedianMs: number
  readonly batchP99Ms: number
  readonly peakMemoryMiB: number
}

/** Bronze is measured from an empty lake each time, silver on the bronze that is there. */
function run(pipeline: string, dir: string, threads: number): Cost {
  if (pipeline.startsWith('bronze')) spawnSync('rm', ['-rf', join(dir, 'lake')])
  const script = join(import.meta.dirname, 'measured-run.ts')
  const child = spawnSync(process.execPath, [script, pipeline, dir, String(threads)], { encoding: 'utf8' })
  if (child.status !== 0) throw new Error(`${pipeline}: ${child.stderr}`)
  return JSON.parse(child.stdout) as Cost
}

/** The yardstick: one thread, text to objects, the same records. */
function parseMegabytesPerSecond(set: DocumentSet): number {
  const texts = set.events.flatMap((event) => recordOf(event).value ?? []).map((value) => Buffer.from(value))
  const rates: number[] = []
  for (let turn = 0; turn < 5; turn += 1) {
    let bytes = 0
    const before = process.cpuUsage()
    for (const text of texts) {
      JSON.parse(text.toString('utf8'))
      bytes += text.length
    }
    const { user, system } = process.cpuUsage(before)
    rates.push(bytes / (user + system))
  }
  return Math.max(...rates)
}
