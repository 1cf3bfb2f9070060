/** `millrace run`: pipelines in the order of their tables, to the end of what is there or until stopped. */
import type { TornTail } from '../../connectors/file-log/tail.ts'
import { systemClock } from '../../engine/clock.ts'
import { parseDuration } from '../../engine/duration.ts'
import { messageOf } from '../../engine/errors.ts'
import { shareMemory } from '../../engine/memory.ts'
import type { Pipeline } from '../../engine/pipeline.ts'
import { type FailedPipeline, runAll, type Watch } from '../../engine/run-all.ts'
import { inOrderOfTables } from '../../engine/schedule.ts'
import type { StoreWait } from '../../engine/shared-file/waiting.ts'
import { availableNow, every, once, type Trigger } from '../../engine/trigger.ts'
import { usageError } from '../args.ts'
import type { CommandContext } from '../context.ts'
import { exitCodeOf, failureLines } from '../failed-pipelines.ts'
import { guarded } from '../guarded-observer.ts'
import { inWorkspace } from '../in-workspace.ts'
import { logLines, storeWaitLine, tornTailLine, upkeepLine } from '../log-lines.ts'
import { findPipelines, platformPipelines } from '../pipelines.ts'
import { progressBars } from '../progress.ts'

/** Runs the pipelines that the command names; at the end, those that failed are named, and make the exit code. */
export async function run(context: CommandContext): Promise<number> {
  const pipelines = await choosePipelines(context)
  const { options, config } = context
  const endless = pipelines.some((pipeline) => pipeline.trigger.kind === 'every')
  const settings = {
    ...config,
    patience: {
      ...(endless ? { limitMs: Number.POSITIVE_INFINITY } : {}),
      onWait: (wait: StoreWait) => console.error(storeWaitLine(wait, systemClock.nowMs())),
    },
    workers: typeof options.workers === 'number' ? options.workers : config.workers,
    retryForMs: typeof options['retry-for'] === 'string' ? parseDuration(options['retry-for']) : config.retryForMs,
    onTornTail: (tail: TornTail) => console.error(tornTailLine(tail, systemClock.nowMs())),
    onUpkeepFailed: (table: string, error: unknown) => console.error(upkeepLine(table, error, systemClock.nowMs())),
  }
  let failed: readonly FailedPipeline[] = []
  const code = await inWorkspace(settings, async (workspace, stop) => {
    const watchers = await openWatchers(options)
    try {
      failed = await runAll(pipelines, workspace.runtime, stop, watchers.watch)
      return exitCodeOf(failed)
    } finally {
      await watchers.close()
    }
  })
  for (const line of failureLines(failed, pipelines.length)) console.error(line)
  return code
}

/** Progress bars on a terminal, else log lines; and metrics for those who want them, who alone load their library. */
async function openWatchers(options: CommandContext['options']): Promise<{ watch: Watch; close(): Promise<void> }> {
  const path = options['metrics-file']
  const progress = process.stderr.isTTY === true ? progressBars(process.stderr) : null
  const metrics = typeof path === 'string' ? (await import('../metrics-file.ts')).metricsFile(path) : null
  const observers = [progress ?? logLines(console.log, systemClock.nowMs), ...(metrics === null ? [] : [metrics])]
  return {
    watch(events) {
      for (const observer of observers) events.subscribe({ ...guarded(observer), error: () => {} })
    },
    async close() {
      progress?.stop()
      await metrics?.close().catch((error: unknown) => console.error(`millrace: ${messageOf(error)}`))
    },
  }
}

async function choosePipelines({ arguments: names, options, config }: CommandContext): Promise<Pipeline[]> {
  const problems: string[] = []
  if (options.all === true && names.length > 0) problems.push('--all: takes no pipeline names beside it')
  if (options.all !== true && names.length === 0) problems.push('run: name a pipeline, or give --all')
  const triggers = ['available-now', 'once', 'every'].filter((name) => options[name] !== undefined)
  if (triggers.length > 1) problems.push(`${triggers.map((name) => `--${name}`).join(', ')}: give one of them`)
  if (problems.length > 0) throw usageError(problems)
  const chosen = options.all === true ? await platformPipelines() : await findPipelines(names)
  const { batchBytes } = shareMemory(config.memoryLimitBytes)
  return inOrderOfTables(chosen).map((pipeline) => withOverrides(pipeline, options, batchBytes))
}

/** @param mostBytes of a batch, whatever is wanted: more does not fit into memory */
function withOverrides(pipeline: Pipeline, options: CommandContext['options'], mostBytes: number): Pipeline {
  const { limits } = pipeline
  const maxBytes = typeof options['max-bytes'] === 'number' ? options['max-bytes'] : limits.maxBytes
  return {
    ...pipeline,
    trigger: triggerOf(options) ?? pipeline.trigger,
    limits: {
      ...limits,
      ...(typeof options['max-records'] === 'number' ? { maxRecords: options['max-records'] } : {}),
      maxBytes: Math.min(maxBytes, mostBytes),
    },
  }
}

function triggerOf(options: CommandContext['options']): Trigger | undefined {
  if (options['available-now'] === true) return availableNow()
  if (options.once === true) return once()
  if (typeof options.every === 'number') return every({ seconds: options.every })
  return undefined
}
