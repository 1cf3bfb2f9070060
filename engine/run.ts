/** The loop: recover, plan, work, commit. */
import { Observable } from 'rxjs'
import { endedOrLeft } from './abandon.ts'
import type { Position } from './contracts.ts'
import type { PipelineEvent } from './events.ts'
import { faultPoint } from './fault-points.ts'
import { tellMissingSources } from './missing-sources.ts'
import type { Pipeline } from './pipeline.ts'
import { type Retries, retryDelayMs, withRetries } from './retry.ts'
import type { RunOptions, Runtime } from './runtime.ts'
import {
  holdShare,
  latestPosition,
  openSession,
  type Run,
  refreshInitial,
  releaseShare,
  type Session,
} from './session.ts'
import { takeTurn } from './turn.ts'
import { waitForTrigger } from './wait.ts'

/** Longest that a source or sink may take to close at a run's end. */
const longestCloseMs = 30_000

/**
 * Runs a pipeline when subscribed to and tells what happens; completes when the run ends, errors with the
 * {@link MillraceError} that stopped it. Subscribe once: every subscription is a run of its own.
 */
export function runPipeline(pipeline: Pipeline, runtime: Runtime, options: RunOptions): Observable<PipelineEvent> {
  return new Observable((subscriber) => {
    openAndRun(pipeline, runtime, { options, emit: (event) => subscriber.next(event) }).then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    )
  })
}

async function openAndRun(pipeline: Pipeline, runtime: Runtime, told: Omit<Run, 'session'>): Promise<void> {
  const { emit, options } = told
  const { retry, clock, ids } = runtime
  const retries: Retries = {
    backoff: retry,
    forMs: pipeline.trigger.kind === 'every' ? retry.streamingMs : retry.endingMs,
    clock,
    ids,
    ...options,
    onRetry: (retry) => emit({ type: 'retried', pipeline: pipeline.name, ...retry }),
  }
  try {
    const session = await withRetries(() => openUnlessAbandoned(pipeline, runtime, options), retries)
    if (session === null) return emit({ type: 'stopped', pipeline: pipeline.name, reason: 'stop-requested' })
    let reason: Awaited<ReturnType<typeof loop>>
    try {
      reason = await loop({ session, ...told }, retries)
    } finally {
      await closeInTime(session, told)
    }
    emit({ type: 'stopped', pipeline: pipeline.name, reason })
  } catch (error) {
    emit({ type: 'failed', pipeline: pipeline.name, error })
    emit({ type: 'stopped', pipeline: pipeline.name, reason: 'failed' })
    throw error
  }
}

/** A session that is there too late is closed again, and null. */
async function openUnlessAbandoned(pipeline: Pipeline, runtime: Runtime, { abandon }: RunOptions) {
  const session = await openSession(pipeline, runtime)
  if (!abandon.aborted) return session
  await session.close()
  return null
}

/** What was read and written is committed by now or never, so a source or sink that does not let go is no failure: it is left behind. */
async function closeInTime(session: Session, { options, emit }: Omit<Run, 'session'>): Promise<void> {
  const { clock } = session.runtime
  const giveUp = AbortSignal.any([options.abandon, AbortSignal.timeout(longestCloseMs)])
  const notClosed = (error: unknown) => emit({ type: 'not-closed', pipeline: session.pipeline.name, error })
  try {
    const ended = await endedOrLeft(session.close(), giveUp, clock)
    if (ended === null) notClosed(new Error('a source or sink did not close in time and was left behind'))
  } catch (error) {
    notClosed(error)
  }
}

async function loop(run: Run, retries: Retries): Promise<'end-of-input' | 'stop-requested'> {
  const { session, options } = run
  const { trigger } = session.pipeline
  const { clock, ids, retry } = session.runtime
  const bounded = trigger.kind !== 'every'
  let goal: Position | null = null
  let position: Position | null = null // null: ask the sinks
  while (!options.stop.aborted) {
    const startedMs = clock.nowMs()
    const turn = await withRetries(async () => {
      try {
        if (await refreshInitial(session)) position = null
        await tellMissingSources(run)
        if (bounded) goal ??= await latestPosition(session)
        else if (await holdShare(session)) position = null
        const from = position
        position = null // unless the batch goes through, the sinks are asked again
        return await takeTurn(run, from, goal)
      } finally {
        releaseShare(session)
      }
    }, retries)
    if (turn === null) return 'stop-requested'
    position = turn.position
    if (turn.kind === 'nothing-to-read' && bounded) return 'end-of-input'
    if (turn.kind === 'committed' && trigger.kind === 'once') return 'end-of-input'
    if (turn.kind === 'committed') faultPoint('before-next-batch')
    if (turn.kind === 'fenced') await clock.sleep(retryDelayMs(retry, 1, ids.random()), options.stop)
    else if (trigger.kind === 'every')
      await waitForTrigger(session, { untilMs: startedMs + trigger.ms, position: position ?? new Map() }, retries)
  }
  return 'stop-requested'
}
