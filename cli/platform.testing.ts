/** For tests of the whole platform: a data directory with simulated records, and ways to work them off. */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Observer } from 'rxjs'
import { assertLakeKeepsRules } from '../connectors/delta/lint/lint-lake.ts'
import { generateHistory } from '../connectors/tmdb/generator.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import type { PipelineEvent } from '../engine/events.ts'
import type { ArmedFault } from '../engine/fault-points.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import { runAll, throwFirst } from '../engine/run-all.ts'
import type { RunOptions } from '../engine/runtime.ts'
import { availableNow, type Trigger } from '../engine/trigger.ts'
import { entertainment } from '../pipelines/entertainment/index.ts'
import { type Dump, dumpAll } from './dump.ts'
import { sendEvents } from './send-events.ts'
import { openWorkspace, type Workspace } from './workspace.ts'

/** An empty folder, removed by the test. */
export function makeDataDir(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'millrace-platform-'))
}

/** Sends a small history, with records late, twice, damaged and out of order; returns how many. */
export async function simulateInto(
  dataDir: string,
  options: { readonly seed: number; readonly titles: number },
): Promise<number> {
  const disorder = { shuffleWindow: 20, late: 0.1, duplicate: 0.1, corrupt: 0.05, delayEvents: 50 }
  const report = await sendEvents(generateHistory({ ...options, people: options.titles * 2 }), {
    ...disorder,
    seed: options.seed,
    logDir: join(dataDir, 'log'),
    partitions: 2,
    clock: systemClock,
    ids: systemIds,
  })
  return report.records
}

/** A new data directory with the same log. */
export async function sameLog(dataDir: string): Promise<string> {
  const other = await makeDataDir()
  await cp(join(dataDir, 'log'), join(other, 'log'), { recursive: true })
  return other
}

/** Opens a workspace without threads for the length of `work`, whose tables must keep the rules of the protocol after it. */
export async function withWorkspace<T>(
  dataDir: string,
  work: (workspace: Workspace) => Promise<T>,
  fault: ArmedFault | null = null,
): Promise<T> {
  const workspace = await openWorkspace({ dataDir, workers: 0, memoryLimitBytes: 256 * 2 ** 20, fault })
  try {
    const result = await work(workspace)
    await assertLakeKeepsRules({ store: workspace.lake, duckdb: workspace.duckdb })
    return result
  } finally {
    await workspace.close()
  }
}

export interface PlatformRun {
  readonly pipelines?: readonly Pipeline[]
  readonly trigger?: Trigger
  readonly maxRecords?: (pipeline: Pipeline) => number
  readonly stop?: Partial<RunOptions>
  readonly watch?: Partial<Observer<PipelineEvent>>
}

/** Runs pipelines of the platform, all of them and to the end of what is there unless told otherwise. Throws what the first failed with. */
export async function runPlatform(workspace: Workspace, options: PlatformRun = {}): Promise<void> {
  const never = new AbortController().signal
  const pipelines = (options.pipelines ?? entertainment).map((pipeline) => ({
    ...pipeline,
    trigger: options.trigger ?? availableNow(),
    limits: { ...pipeline.limits, maxRecords: options.maxRecords?.(pipeline) ?? pipeline.limits.maxRecords },
  }))
  const failed = await runAll(
    pipelines,
    workspace.runtime,
    { stop: never, abandon: never, ...options.stop },
    (events) => {
      events.subscribe({ ...options.watch, error: () => {} })
    },
  )
  throwFirst(failed)
}

/** Everything in a data directory after an uninterrupted run of pipelines, by default all, over its log. */
export function dumpOfWholeRun(dataDir: string, pipelines: readonly Pipeline[] = entertainment): Promise<Dump> {
  return withWorkspace(dataDir, async (workspace) => {
    await runPlatform(workspace, { pipelines })
    return dumpAll(workspace)
  })
}

export async function removeAll(...dirs: readonly string[]): Promise<void> {
  for (const dir of dirs) await rm(dir, { recursive: true, force: true })
}
