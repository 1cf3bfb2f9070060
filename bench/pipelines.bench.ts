/** Throughput of bronze and silver, per core of CPU time. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type DocumentSet, fullDocuments, smallDocuments } from './documents.ts'
import { measureRun, type RunCost } from './measured.ts'
import { fillLog } from './prepare.ts'
import { quantile, rounded } from './quantile.ts'
import type { BenchResult } from './result.ts'
import { parseMegabytesPerSecond } from './yardstick.ts'

const megabytes = 250

/** Topic to bronze table. */
export async function* bronze(dir: string): AsyncGenerator<BenchResult> {
  for (const set of [smallDocuments(), fullDocuments()]) {
    const { bytes } = await fillLog(dir, set, megabytes)
    for (const threads of [1, 2])
      yield await measured(`bronze ${set.name}, ${threads} worker`, 'bronze-movies', dir, bytes, set, threads)
  }
}

/** Bronze table to silver table, every version of every title in one go; the workers have no part in it. */
export async function* silver(dir: string): AsyncGenerator<BenchResult> {
  for (const set of [smallDocuments(), fullDocuments()]) {
    const { bytes } = await fillLog(dir, set, megabytes)
    await run('bronze-movies', dir, 2)
    yield await measured(`silver ${set.name}`, 'silver-movies', dir, bytes, set, 1)
  }
}

async function measured(
  bench: string,
  pipeline: string,
  dir: string,
  bytes: number,
  set: DocumentSet,
  threads: number,
): Promise<BenchResult> {
  const parse = parseMegabytesPerSecond(set)
  const cost = await run(pipeline, dir, threads)
  const perCore = bytes / 1e6 / cost.cpuSeconds
  return {
    bench,
    ratio: rounded(perCore / parse, 3),
    records: cost.rows,
    megabytes: rounded(bytes / 1e6),
    recordsPerSecond: rounded(cost.rows / cost.wallSeconds),
    megabytesPerSecond: rounded(bytes / 1e6 / cost.wallSeconds),
    megabytesPerCpuSecond: rounded(perCore),
    cpuSeconds: cost.cpuSeconds,
    batchMedianMs: quantile(cost.batchMs, 0.5),
    batchP99Ms: quantile(cost.batchMs, 0.99),
    peakMemoryMiB: cost.peakMemoryMiB,
  }
}

/** Bronze is measured from an empty lake each time, silver on the bronze that is there. */
async function run(pipeline: string, dataDir: string, threads: number): Promise<RunCost> {
  if (pipeline.startsWith('bronze')) rmSync(join(dataDir, 'lake'), { recursive: true, force: true })
  return measureRun({ pipeline, dataDir, threads })
}
