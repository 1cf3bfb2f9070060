/**
 * `npm start`: the whole platform on generated data, with nothing but this process. A catalogue arrives and is worked off, then weeks
 * of changes; the end shows what came in, what was refused, and how much downstream did not have to write.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Observer } from 'rxjs'
import type { TmdbEvent } from '../connectors/tmdb/event.ts'
import { generateHistory } from '../connectors/tmdb/generator.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import type { PipelineEvent } from '../engine/events.ts'
import { runAll, throwFirst } from '../engine/run-all.ts'
import { availableNow } from '../engine/trigger.ts'
import { readConfig } from './config.ts'
import { type DemoRound, printSummary } from './demo-summary.ts'
import { endProcess } from './end-process.ts'
import { platformPipelines } from './pipelines.ts'
import { progressBars } from './progress.ts'
import { sendEvents } from './send-events.ts'
import { stopSignals } from './stop-signals.ts'
import { runTotals } from './totals.ts'
import { openWorkspace, type Workspace } from './workspace.ts'

const dataDir = join(import.meta.dirname, '../data/demo')
const catalogue = { seed: 7, titles: 400 }
const disorder = { seed: 7, shuffleWindow: 50, late: 0.05, duplicate: 0.05, corrupt: 0.02 }

async function demo(): Promise<void> {
  const startedMs = systemClock.nowMs()
  console.log('Millrace: the Entertainment Data Platform on this machine, with generated data\n')
  await rm(dataDir, { recursive: true, force: true })
  const config = { ...readConfig({ env: process.env }), dataDir, lake: null }
  const workspace = await openWorkspace(config)
  const stop = stopSignals()
  try {
    const [load, changes] = split([...generateHistory(catalogue)])
    const first = await round('the catalogue', load, workspace, config.partitions, stop)
    const second = await round('five weeks of changes', changes, workspace, config.partitions, stop)
    if (!stop.stop.aborted) await printSummary(workspace, [first, second])
    console.log(`\ndone in ${((systemClock.nowMs() - startedMs) / 1000).toFixed(1)} s; the data is in data/demo`)
  } finally {
    await stop.within(workspace.close())
    stop.dispose()
  }
}

/** The initial load, and what happened after it. */
function split(events: readonly TmdbEvent[]): [TmdbEvent[], TmdbEvent[]] {
  const at = events.findIndex((event) => event.op !== 'A' || event.label !== 'old')
  return [events.slice(0, at), events.slice(at)]
}

async function round(
  what: string,
  events: readonly TmdbEvent[],
  workspace: Workspace,
  partitions: number,
  stop: ReturnType<typeof stopSignals>,
): Promise<DemoRound> {
  const sent = await sendEvents(events, {
    ...disorder,
    logDir: workspace.logDir,
    partitions,
    clock: systemClock,
    ids: systemIds,
    signal: stop.stop,
  })
  console.log(`${what}: ${sent.records} records sent, ${sent.duplicates} twice, ${sent.late} late, some damaged`)
  const totals = runTotals()
  const bars = process.stderr.isTTY === true ? progressBars(process.stderr) : null
  const pipelines = (await platformPipelines()).map((pipeline) => ({ ...pipeline, trigger: availableNow() }))
  const failed = await runAll(pipelines, workspace.runtime, stop, (batches) => {
    batches.subscribe({ ...totals, error: () => {} })
    batches.subscribe({ ...(bars ?? plainProgress()), error: () => {} })
  })
  throwFirst(failed)
  bars?.stop()
  console.log('')
  return { sent, totals }
}

/** Where there is no terminal to draw bars on: a line a batch. */
function plainProgress(): Partial<Observer<PipelineEvent>> {
  return {
    next(event) {
      if (event.type === 'committed')
        console.log(`  ${event.pipeline.padEnd(18)} ${String(event.rowsIn).padStart(6)} rows  ${event.durationMs} ms`)
    },
  }
}

await demo()
endProcess()
