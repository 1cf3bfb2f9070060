/** `millrace run`: pipelines in the order of their tables, to the end of what is there or until stopped. */
import { lastValueFrom, type Observable, share } from 'rxjs'
import { systemClock } from '../../engine/clock.ts'
import type { PipelineEvent } from '../../engine/events.ts'
import type { Pipeline } from '../../engine/pipeline.ts'
import { runPipeline } from '../../engine/run.ts'
import type { RunOptions } from '../../engine/runtime.ts'
import { inOrderOfTables } from '../../engine/schedule.ts'
import { availableNow, every, once, type Trigger } from '../../engine/trigger.ts'
import { usageError } from '../args.ts'
import type { CommandContext } from '../context.ts'
import { logLines, upkeepLine } from '../log-lines.ts'
import { findPipelines, platformPipelines } from '../pipelines.ts'
import { progressBars } from '../progress.ts'
import { stopSignals } from '../stop-signals.ts'
import { openWorkspace, type Workspace } from '../workspace.ts'

/** Runs the pipelines that the command names. */
export async function run(context: CommandContext): Promise<number> {
  const pipelines = await choosePipelines(context)
  const { options, config } = context
  const workspace = await openWorkspace({
    ...config,
    workers: typeof options.workers === 'number' ? options.workers : config.workers,
    onUpkeepFailed: (table, error) => console.error(upkeepLine(table, error, systemClock.nowMs())),
  })
  const stop = stopSignals()
  const progress = process.stderr.isTTY === true ? progressBars(process.stderr) : null
  const metrics = typeof options['metrics-file'] === 'string' ? await openMetrics(options['metrics-file']) : null
  try {
    await runPipelines(pipelines, workspace, stop, (events) => {
      events.subscribe({ ...(progress ?? logLines(console.log, systemClock.nowMs)), error: () => {} })
      if (metrics !== null) events.subscribe({ ...metrics, error: () => {} })
    })
    return 0
  } finally {
    await metrics?.close()
    progress?.stop()
    stop.dispose()
    await workspace.close()
  }
}

/** The metrics library is loaded by those who want metrics. */
async function openMetrics(path: string) {
  return (await import('../metrics-file.ts')).metricsFile(path)
}

async function choosePipelines({ arguments: names, options }: CommandContext): Promise<Pipeline[]> {
  const problems: string[] = []
  if (options.all === true && names.length > 0) problems.push('--all: takes no pipeline names beside it')
  if (options.all !== true && names.length === 0) problems.push('run: name a pipeline, or give --all')
  const triggers = ['available-now', 'once', 'every'].filter((name) => options[name] !== undefined)
  if (triggers.length > 1) problems.push(`${triggers.map((name) => `--${name}`).join(', ')}: give one of them`)
  if (problems.length > 0) throw usageError(problems)
  const chosen = options.all === true ? await platformPipelines() : await findPipelines(names)
  return inOrderOfTables(chosen).map((pipeline) => withOverrides(pipeline, options))
}

function withOverrides(pipeline: Pipeline, options: CommandContext['options']): Pipeline {
  return {
    ...pipeline,
    trigger: triggerOf(options) ?? pipeline.trigger,
    limits: {
      ...pipeline.limits,
      ...(typeof options['max-records'] === 'number' ? { maxRecords: options['max-records'] } : {}),
      ...(typeof options['max-bytes'] === 'number' ? { maxBytes: options['max-bytes'] } : {}),
    },
  }
}

function triggerOf(options: CommandContext['options']): Trigger | undefined {
  if (options['available-now'] === true) return availableNow()
  if (options.once === true) return once()
  if (typeof options.every === 'number') return every({ seconds: options.every })
  return undefined
}

/**
 * Runs pipelines and hands their events to `watch`. Those that end by themselves run one after another, so that each
 * sees all that the ones before it wrote; the others run side by side until stopped. The first failure stops all.
 */
export async function runPipelines(
  pipelines: readonly Pipeline[],
  workspace: Workspace,
  stop: RunOptions,
  watch: (events: Observable<PipelineEvent>) => void,
): Promise<void> {
  const bounded = pipelines.filter((pipeline) => pipeline.trigger.kind !== 'every')
  const endless = pipelines.filter((pipeline) => pipeline.trigger.kind === 'every')
  for (const pipeline of bounded)
    if (!stop.stop.aborted) await watched(runPipeline(pipeline, workspace.runtime, stop), watch)
  if (endless.length === 0 || stop.stop.aborted) return
  const failed = new AbortController()
  const together = { stop: AbortSignal.any([stop.stop, failed.signal]), abandon: stop.abandon }
  const results = await Promise.allSettled(
    endless.map((pipeline) =>
      watched(runPipeline(pipeline, workspace.runtime, together), watch).catch((error: unknown) => {
        failed.abort()
        throw error
      }),
    ),
  )
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

async function watched(
  run: Observable<PipelineEvent>,
  watch: (events: Observable<PipelineEvent>) => void,
): Promise<void> {
  const events = run.pipe(share())
  watch(events)
  await lastValueFrom(events, { defaultValue: undefined })
}
