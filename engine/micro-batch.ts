/** One batch: its ranges planned, its stages run, its sinks committed. */
import { type CommitSinksOutcome, commitSinks } from './commit.ts'
import type { Position } from './contracts.ts'
import { MillraceError } from './errors.ts'
import { faultPoint } from './fault-points.ts'
import { lagAfter } from './lag.ts'
import { type PreparedSink, prepareSinks } from './prepare.ts'
import {
  advance,
  type PlannedRanges,
  pinnedRanges,
  planRanges,
  type Run,
  type Session,
  tellsWithoutRows,
} from './session.ts'
import { planStages } from './stages.ts'
import { columnsFor, outputsFor, runStages, type WorkResult } from './work.ts'

/** Where a batch begins, how far it may go, and whom it is for. */
export interface BatchDraft {
  readonly position: Position
  readonly end: Position
  /** Indices of the sinks that get it, in commit order; fewer than all when a half-finished batch is replayed. */
  readonly sinks: readonly number[]
  readonly replay: boolean
}

/** What became of a batch; `position` is where to go on, null where only the sinks know. */
export type BatchOutcome =
  | { readonly kind: 'committed' | 'nothing-to-read'; readonly position: Position }
  | { readonly kind: 'fenced'; readonly position: null }

/** Runs the next batch of a draft. Whatever it throws, some of the sinks may hold the batch: their positions tell. */
export async function runBatch(run: Run, draft: BatchDraft): Promise<BatchOutcome> {
  const { pipeline, runtime, sinks } = run.session
  const toRead = await planRanges(run.session, draft.position, draft.end)
  const told = toRead === null ? tellsWithoutRows(run.session, draft) : 'must'
  const planned = toRead ?? (told === null ? null : nothing)
  if (planned === null) return { kind: 'nothing-to-read', position: draft.position }
  run.emit({
    type: 'planned',
    pipeline: pipeline.name,
    ranges: planned.all,
    sinks: draft.sinks.map((i) => sinks[i]!.name),
    replay: draft.replay,
    lagRecords: planned.lagRecords,
    missing: planned.missing,
  })
  faultPoint('batch-planned')
  const stagingDir = await runtime.makeStaging()
  try {
    return await workAndCommit(run, draft, { planned, stagingDir, due: told === 'must' })
  } finally {
    await runtime.dropStaging(stagingDir)
  }
}

/** A batch that only tells the sinks that the pipeline has run, and where partitions begin. */
const nothing: PlannedRanges = { bySource: new Map(), all: [], lagRecords: 0, available: [], missing: [] }

interface Prepared {
  readonly planned: PlannedRanges
  readonly stagingDir: string
  /** Otherwise it is left for the first batch with rows, if only rows tell what columns there are. */
  readonly due: boolean
}

async function workAndCommit(
  run: Run,
  draft: BatchDraft,
  { planned, stagingDir, due }: Prepared,
): Promise<BatchOutcome> {
  const { session, options, emit } = run
  const { pipeline, runtime } = session
  const startedMs = runtime.clock.nowMs()
  const stages = planStages(pipeline)
  const work = await runStages(
    {
      pipeline,
      stages,
      sources: session.sources,
      identity: session.identity,
      ranges: planned.bySource,
      stagingDir,
      signal: options.abandon,
      onProgress: (progress) => emit({ type: 'embedding', pipeline: pipeline.name, ...progress }),
    },
    runtime,
  )
  session.isNew = false
  if (!due && !columnsAreKnown(session, draft, work)) return { kind: 'nothing-to-read', position: draft.position }
  const pins = pinnedRanges(session, draft, work.ranges)
  const { targets, outcome } = await commitWork(run, draft, { work, pins, stagingDir })
  if (outcome.kind === 'fenced') {
    emit({ type: 'fenced', pipeline: pipeline.name, sink: outcome.sink, position: outcome.position })
    return { kind: 'fenced', position: null }
  }
  if (outcome.kind === 'conflict') throw tableConflict(outcome)
  faultPoint('sinks-committed')
  const reached = advance(draft.position, [...work.ranges, ...pins])
  await tellSources(run, advance(new Map(), work.ranges))
  emit({
    type: 'committed',
    pipeline: pipeline.name,
    ranges: work.ranges,
    replay: draft.replay,
    rowsIn: work.rowsIn,
    bytesIn: work.bytesIn,
    rowsOut: rowsOf(targets.filter(({ holdsDeadLetters }) => !holdsDeadLetters)),
    deadLetters: rowsOf(targets.filter(({ holdsDeadLetters }) => holdsDeadLetters)),
    violations: work.violations,
    ...(work.embedded.computed + work.embedded.cached > 0 ? { embedded: work.embedded } : {}),
    sinks: outcome.reports,
    lagRecords: lagAfter(planned.available, work.ranges, work.rowsIn),
    durationMs: runtime.clock.nowMs() - startedMs,
  })
  return { kind: 'committed', position: reached }
}

interface Finished {
  readonly work: WorkResult
  readonly pins: WorkResult['ranges']
  readonly stagingDir: string
}

/** Whatever becomes of the batch, no sink is left with something prepared. */
async function commitWork({ session, options, emit }: Run, draft: BatchDraft, { work, pins, stagingDir }: Finished) {
  const { pipeline, runtime } = session
  const commit = {
    pipeline: pipeline.name,
    txnId: runtime.ids.uuid(),
    fingerprint: pipeline.fingerprint,
    ranges: [...work.ranges, ...pins],
    initial: session.initial,
    signal: options.abandon,
  }
  const drafted = draft.sinks.map((i) => targetOf(session, work, i))
  try {
    const hasDeadLetters = pipeline.deadLetters >= 0
    const targets = await prepareSinks(drafted, commit, { hasDeadLetters, stagingDir, emit })
    faultPoint('sinks-prepared')
    return { targets, outcome: await commitSinks(targets, commit) }
  } finally {
    for (const { sink } of drafted) await sink.abandon?.()
  }
}

/** For tools that show lag. What goes wrong is told and no reason to stop: nothing depends on it. */
async function tellSources({ session, emit }: Run, reached: Position): Promise<void> {
  const pipeline = session.pipeline.name
  for (const source of session.sources.values())
    await source.commitOffsets(reached).catch((error: unknown) => emit({ type: 'offsets-not-told', pipeline, error }))
}

function targetOf({ pipeline, sinks }: Session, work: WorkResult, sinkIndex: number): PreparedSink {
  return {
    sink: sinks[sinkIndex]!,
    outputs: outputsFor(pipeline, sinkIndex, work.outputs),
    columns: columnsFor(pipeline, sinkIndex, work.columns),
    holdsDeadLetters: sinkIndex === pipeline.deadLetters,
  }
}

/** Whether every sink can make its tables without a row. */
function columnsAreKnown({ pipeline }: Session, draft: BatchDraft, { columns }: WorkResult): boolean {
  const data = draft.sinks.filter((i) => i !== pipeline.deadLetters)
  return data.every((i) => Object.values(pipeline.sinks[i]!.inputs).every((step) => columns.has(step ?? '')))
}

function rowsOf(targets: readonly PreparedSink[]): number {
  const files = targets.flatMap(({ outputs }) => [...outputs.values()].flat())
  return files.reduce((sum, file) => sum + file.rows, 0)
}

function tableConflict({ sink, message }: Extract<CommitSinksOutcome, { kind: 'conflict' }>): MillraceError {
  return new MillraceError('TABLE_CONFLICT', `${sink}: ${message} (another writer is busy on it)`, { retryable: true })
}
