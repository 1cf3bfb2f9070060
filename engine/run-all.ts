/** Runs pipelines of one process: each fails alone. */
import { lastValueFrom, type Observable, of, share } from 'rxjs'
import type { PipelineEvent } from './events.ts'
import type { Pipeline } from './pipeline.ts'
import { runPipeline } from './run.ts'
import type { RunOptions, Runtime } from './runtime.ts'
import { downstreamOf } from './schedule.ts'

/** A pipeline that has failed, and what with. */
export interface FailedPipeline {
  readonly pipeline: string
  readonly error: unknown
}

/** Called with the events of each pipeline, before it runs. */
export type Watch = (events: Observable<PipelineEvent>) => void

/**
 * Runs pipelines, given in the order of their tables. Those that end by themselves run one after another, so that each sees all
 * that the ones before it wrote; the others run side by side until stopped, or until all of them have failed. One that fails stops
 * no other: those downstream of it go on with what is committed, which is whole, and say that more will come (`input-behind`).
 * @returns those that failed, in the order in which they did
 */
export async function runAll(
  pipelines: readonly Pipeline[],
  runtime: Runtime,
  options: RunOptions,
  watch: Watch,
): Promise<readonly FailedPipeline[]> {
  const failed: FailedPipeline[] = []
  const run = async (pipeline: Pipeline): Promise<void> => {
    try {
      await watched(runPipeline(pipeline, runtime, options), watch)
    } catch (error) {
      failed.push({ pipeline: pipeline.name, error })
    }
  }
  const tellBehind = (pipeline: Pipeline, upstream: readonly string[]) =>
    watch(of({ type: 'input-behind', pipeline: pipeline.name, failed: upstream }))

  for (const pipeline of pipelines.filter(({ trigger }) => trigger.kind !== 'every')) {
    if (options.stop.aborted) break
    const upstream = failed.filter((each) => isUpstream(pipelines, each, pipeline)).map((each) => each.pipeline)
    if (upstream.length > 0) tellBehind(pipeline, upstream)
    await run(pipeline)
  }
  if (options.stop.aborted) return failed
  const endless = pipelines.filter(({ trigger }) => trigger.kind === 'every')
  await Promise.all(
    endless.map(async (pipeline) => {
      await run(pipeline)
      if (!failed.some((each) => each.pipeline === pipeline.name)) return
      const running = endless.filter(({ name }) => !failed.some((each) => each.pipeline === name))
      for (const downstream of downstreamOf(pipeline, running)) tellBehind(downstream, [pipeline.name])
    }),
  )
  return failed
}

/** Throws what the first one failed with, if any did: for those who run pipelines that must all succeed. */
export function throwFirst(failed: readonly FailedPipeline[]): void {
  if (failed.length > 0) throw failed[0]!.error
}

function isUpstream(pipelines: readonly Pipeline[], failed: FailedPipeline, of: Pipeline): boolean {
  const writer = pipelines.find(({ name }) => name === failed.pipeline)
  return writer !== undefined && downstreamOf(writer, pipelines).includes(of)
}

async function watched(run: Observable<PipelineEvent>, watch: Watch): Promise<void> {
  const events = run.pipe(share())
  watch(events)
  await lastValueFrom(events, { defaultValue: undefined })
}
