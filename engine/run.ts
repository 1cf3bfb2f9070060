/** The loop: recover, plan, work, commit. */
import { Observable } from 'rxjs'
import { commitSinks } from './commit.ts'
import type { Position, Range } from './contracts.ts'
import { MillraceError } from './errors.ts'
import type { PipelineEvent } from './events.ts'
import { faultPoint } from './fault-points.ts'
import type { Pipeline } from './pipeline.ts'
import { retryDelayMs } from './retry.ts'
import type { Runtime } from './runtime.ts'
import {
  advance,
  latestPosition,
  openSession,
  type PlannedRanges,
  planRanges,
  refreshInitial,
  type Session,
  sinkPositions,
} from './session.ts'
import { planStages } from './stages.ts'
import { waitForTrigger } from './wait.ts'
import { columnsFor, outputsFor, runStages } from './work.ts'

export interface RunOptions {
  /** Ends the run once the running batch is committed. */
  readonly stop: AbortSignal
  /** Abandons the running batch: nothing of it stays, or recovery finishes it at the next start. */
  readonly abandon: AbortSignal
}

type Emit = (event: PipelineEvent) => void

/**
 * Runs a pipeline when subscribed to and tells what happens; completes when the run ends, errors with the
 * {@link MillraceError} that stopped it. Subscribe once: every subscription is a run of its own.
 */
export function runPipeline(pipeline: Pipeline, runtime: Runtime, options: RunOptions): Observable<PipelineEvent> {
  return new Observable((subscriber) => {
    run(pipeline, runtime, options, (event) => subscriber.next(event)).then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    )
  })
}

async function run(pipeline: Pipeline, runtime: Runtime, options: RunOptions, emit: Emit): Promise<void> {
  const name = pipeline.name
  try {
    const session = await withRetries(runtime, options, name, emit, () => openSession(pipeline, runtime))
    if (session === null) return emit({ type: 'stopped', pipeline: name, reason: 'stop-requested' })
    try {
      const reason = await loop(session, options, emit)
      emit({ type: 'stopped', pipeline: name, reason })
    } finally {
      await session.close()
    }
  } catch (error) {
    emit({ type: 'failed', pipeline: name, error })
    emit({ type: 'stopped', pipeline: name, reason: 'failed' })
    throw error
  }
}

async function loop(session: Session, options: RunOptions, emit: Emit): Promise<'end-of-input' | 'stop-requested'> {
  const { pipeline, runtime } = session
  const bounded = pipeline.trigger.kind !== 'every'
  let goal: Position | null = null
  let position: Position | null = null // null: ask the sinks
  while (!options.stop.aborted) {
    const startedMs = runtime.clock.nowMs()
    const turn = await withRetries(runtime, options, pipeline.name, emit, async () => {
      await refreshInitial(session)
      if (bounded) goal ??= await latestPosition(session)
      const from = position
      position = null // unless the batch goes through, the sinks are asked again
      return takeTurn(session, from, goal, options, emit)
    })
    if (turn === null) return 'stop-requested'
    position = turn.position
    if (turn.kind === 'nothing-to-read' && bounded) return 'end-of-input'
    if (turn.kind === 'committed' && pipeline.trigger.kind === 'once') return 'end-of-input'
    if (turn.kind === 'committed') faultPoint('before-next-batch')
    if (pipeline.trigger.kind === 'every' && turn.kind !== 'fenced')
      await waitForTrigger(session, pipeline.trigger.ms, startedMs, position ?? new Map(), options.stop)
    if (turn.kind === 'fenced')
      await runtime.clock.sleep(retryDelayMs(runtime.retry, 1, runtime.ids.random()), options.stop)
  }
  return 'stop-requested'
}

type Turn =
  | { readonly kind: 'committed' | 'replayed' | 'nothing-to-read'; readonly position: Position | null }
  | { readonly kind: 'fenced'; readonly position: null }

async function takeTurn(
  session: Session,
  known: Position | null,
  goal: Position | null,
  options: RunOptions,
  emit: Emit,
): Promise<Turn> {
  const everySink = session.sinks.map((_, i) => i)
  if (known !== null)
    return nextBatch(session, known, goal ?? (await latestPosition(session)), everySink, false, options, emit)

  const recovery = session.runtime.planRecovery(
    await sinkPositions(session),
    session.initial,
    session.pipeline.fingerprint,
  )
  if (recovery.kind === 'settled') {
    const position = advance(
      session.initial,
      [...recovery.position].map(([sourcePartition, end]) => ({ sourcePartition, start: 0n, end })),
    )
    return nextBatch(session, position, goal ?? (await latestPosition(session)), everySink, false, options, emit)
  }
  const { ranges, sinks } = recovery
  if (recovery.kind === 'refused') throw definitionChanged(session, ranges, sinks)
  const start = new Map(ranges.map((range) => [range.sourcePartition, range.start]))
  const end = new Map(ranges.map((range) => [range.sourcePartition, range.end]))
  const turn = await nextBatch(session, start, end, sinks, true, options, emit)
  if (turn.kind === 'nothing-to-read') throw rangesGone(session, ranges)
  return turn.kind === 'committed' ? { kind: 'replayed', position: null } : turn
}

async function nextBatch(
  session: Session,
  position: Position,
  end: Position,
  sinks: readonly number[],
  replay: boolean,
  options: RunOptions,
  emit: Emit,
): Promise<Turn> {
  const planned = await planRanges(session, position, end)
  if (planned === null) return { kind: 'nothing-to-read', position }
  emit({
    type: 'planned',
    pipeline: session.pipeline.name,
    ranges: planned.all,
    sinks: sinks.map((i) => session.sinks[i]!.name),
    replay,
    lagRecords: planned.lagRecords,
  })
  faultPoint('batch-planned')
  const stagingDir = await session.runtime.makeStaging()
  try {
    return await runBatch(session, planned, position, sinks, replay, stagingDir, options, emit)
  } finally {
    await session.runtime.dropStaging(stagingDir)
  }
}

async function runBatch(
  session: Session,
  planned: PlannedRanges,
  position: Position,
  sinks: readonly number[],
  replay: boolean,
  stagingDir: string,
  options: RunOptions,
  emit: Emit,
): Promise<Turn> {
  const { pipeline, runtime } = session
  const startedMs = runtime.clock.nowMs()
  const work = await runStages(
    {
      pipeline,
      stages: planStages(pipeline),
      sources: session.sources,
      ranges: planned.bySource,
      stagingDir,
      signal: options.abandon,
    },
    runtime,
  )
  const targets = sinks.map((i) => ({
    sink: session.sinks[i]!,
    outputs: outputsFor(pipeline, i, work.outputs),
    columns: columnsFor(pipeline, i, work.columns),
  }))
  const outcome = await commitSinks(targets, {
    pipeline: pipeline.name,
    txnId: runtime.ids.uuid(),
    fingerprint: pipeline.fingerprint,
    ranges: work.ranges,
    initial: session.initial,
    signal: options.abandon,
  })
  if (outcome.kind === 'fenced') {
    emit({ type: 'fenced', pipeline: pipeline.name, sink: outcome.sink, position: outcome.position })
    return { kind: 'fenced', position: null }
  }
  if (outcome.kind === 'conflict')
    throw new MillraceError('TABLE_CONFLICT', `${outcome.sink}: ${outcome.message} (another writer is busy on it)`, {
      retryable: true,
    })
  faultPoint('sinks-committed')
  const reached = advance(position, work.ranges)
  for (const source of session.sources.values()) await source.commitOffsets(reached)
  emit({
    type: 'committed',
    pipeline: pipeline.name,
    ranges: work.ranges,
    replay,
    rowsIn: work.rowsIn,
    bytesIn: work.bytesIn,
    rowsOut: rowsOf(pipeline, sinks, targets, false),
    deadLetters: rowsOf(pipeline, sinks, targets, true),
    violations: work.violations,
    sinks: outcome.reports,
    lagRecords: Math.max(0, planned.lagRecords - work.rowsIn),
    durationMs: runtime.clock.nowMs() - startedMs,
  })
  return { kind: 'committed', position: reached }
}

function rowsOf(
  pipeline: Pipeline,
  sinks: readonly number[],
  targets: readonly { outputs: ReadonlyMap<string, readonly { rows: number }[]> }[],
  deadLetters: boolean,
): number {
  let rows = 0
  for (const [k, i] of sinks.entries())
    if ((i === pipeline.deadLetters) === deadLetters)
      for (const files of targets[k]!.outputs.values()) for (const file of files) rows += file.rows
  return rows
}

/**
 * Runs `work` until it succeeds, waiting between tries; null when a stop was asked for instead. What is not retryable,
 * or fails once too often in a row, is thrown.
 */
async function withRetries<T>(
  runtime: Runtime,
  options: RunOptions,
  pipeline: string,
  emit: Emit,
  work: () => Promise<T>,
): Promise<T | null> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (options.abandon.aborted) return null
      if (!(error instanceof MillraceError) || !error.retryable) throw error
      if (attempt >= runtime.retry.attempts)
        throw new MillraceError(error.code, `${error.message} (gave up after ${attempt} tries)`, {
          cause: error,
          context: error.context,
        })
      const delayMs = retryDelayMs(runtime.retry, attempt, runtime.ids.random())
      emit({ type: 'retried', pipeline, attempt, delayMs, error })
      await runtime.clock.sleep(delayMs, options.stop)
      if (options.stop.aborted) return null
    }
  }
}

function definitionChanged(session: Session, ranges: readonly Range[], sinks: readonly number[]): MillraceError {
  const lacking = sinks.map((i) => session.sinks[i]!.name).join(', ')
  return new MillraceError(
    'DEFINITION_CHANGED',
    `pipeline ${session.pipeline.name}: a batch was half finished under another definition: ${formatRanges(ranges)} is missing in ${lacking} (run once with the former definition to finish it, then change it)`,
  )
}

function rangesGone(session: Session, ranges: readonly Range[]): MillraceError {
  return new MillraceError(
    'SOURCE_RANGE_LOST',
    `pipeline ${session.pipeline.name}: cannot finish a half-finished batch: the source no longer has ${formatRanges(ranges)} (was the topic or table deleted?)`,
  )
}

function formatRanges(ranges: readonly Range[]): string {
  return ranges.map((range) => `${range.sourcePartition} [${range.start}, ${range.end})`).join(', ')
}
