/** Batches that some sinks hold and others lack, as somebody decides of them: what there is to choose, and doing it. */
import type { Position, Range, Sink } from './contracts.ts'
import { MillraceError } from './errors.ts'
import { runBatch } from './micro-batch.ts'
import type { Pipeline } from './pipeline.ts'
import type { Recovery, Runtime } from './runtime.ts'
import { openSession, type Run, refreshInitial } from './session.ts'
import { formatRanges, rangesGone, recoveryOf, replay, takeBack, takeTurn } from './turn.ts'

/**
 * `finish`: run the range into the sinks that lack it, by the definition of today. `rewrite`: take it back in those that hold it, and run
 * it into all. `set-aside`: leave it out of the sinks that lack it, its records among the dead letters.
 */
export type WayOut = 'finish' | 'rewrite' | 'set-aside'

/** What the sinks of a pipeline hold, as far as they differ. */
export interface HalfFinished {
  /** `settled`: they do not. `replay`: the next run finishes it. `undo`: the next run judges it again. `refused`: it would not start. */
  readonly kind: Recovery['kind']
  readonly ranges: readonly Range[]
  /** Indices of the sinks that hold the ranges, and of those that lack them. */
  readonly ahead: readonly number[]
  readonly sinks: readonly number[]
}

/** Opens a pipeline's sources and sinks for as long as `work` takes. No other process may run it meanwhile. */
export async function withRun<T>(
  pipeline: Pipeline,
  runtime: Runtime,
  told: Omit<Run, 'session'>,
  work: (run: Run) => Promise<T>,
): Promise<T> {
  const session = await openSession(pipeline, runtime)
  try {
    await refreshInitial(session)
    return await work({ session, ...told })
  } finally {
    await session.close()
  }
}

/** How far the sinks differ. */
export async function halfFinished({ session }: Run): Promise<HalfFinished> {
  const recovery = await recoveryOf(session)
  if (recovery.kind === 'settled') return { kind: 'settled', ranges: [], ahead: [], sinks: [] }
  const others = session.sinks.map((_, i) => i).filter((i) => !recovery.sinks.includes(i))
  return { ...recovery, ahead: recovery.kind === 'replay' ? others : recovery.ahead }
}

/** Why a way out is closed, as far as that can be told beforehand; null if it is not. */
export function closedBecause(way: WayOut, { session }: Run, { ahead }: HalfFinished): string | null {
  const { deadLetters } = session.pipeline
  const sinks = ahead.map((i) => session.sinks[i]!)
  if (way === 'finish') return null
  if (way === 'rewrite') {
    const data = ahead.filter((i) => i !== deadLetters).map((i) => session.sinks[i]!)
    const unable = [...sinks.filter(({ undo }) => undo === undefined), ...data.filter(isLog)]
    return unable.length === 0 ? null : `${namesOf(unable)} cannot take a batch back`
  }
  if (deadLetters < 0) return 'the pipeline has no dead letters to keep the records in'
  return null
}

function isLog({ keepsUndone }: Sink): boolean {
  return keepsUndone === true
}

function namesOf(sinks: readonly Sink[]): string {
  return [...new Set(sinks.map(({ name }) => name))].join(', ')
}

/** Runs what is missing into the sinks that lack it, until none does. */
export async function finish(run: Run): Promise<void> {
  for (;;) {
    const half = await halfFinished(run)
    if (half.kind === 'settled') return
    notFenced(run, await replay(run, half))
  }
}

/** Takes the ranges back in the sinks that hold them, and runs them into all. */
export async function rewrite(run: Run, half: HalfFinished): Promise<void> {
  await takeBack(run, half)
  const goal = ends(half.ranges)
  for (;;) {
    const turn = await takeTurn(run, null, goal)
    notFenced(run, turn)
    if (turn.kind === 'nothing-to-read') return
  }
}

/** Takes what the dead letters hold of the ranges back, so that all of their records can be put there. */
export async function makeRoom(run: Run, { ranges, ahead }: HalfFinished): Promise<void> {
  const { deadLetters } = run.session.pipeline
  await takeBack(run, { ranges, ahead: ahead.filter((i) => i === deadLetters) })
}

/** Runs exactly these ranges into some of the sinks, whatever the others hold. */
export async function runRanges(run: Run, ranges: readonly Range[], sinks: readonly number[]): Promise<void> {
  const end = ends(ranges)
  let position: Position = new Map(ranges.map(({ sourcePartition, start }) => [sourcePartition, start]))
  for (;;) {
    const outcome = await runBatch(run, { position, end, sinks, replay: true })
    notFenced(run, outcome)
    if (outcome.kind === 'nothing-to-read') break
    position = outcome.position!
  }
  const reached = position
  if (ranges.some(({ sourcePartition, end: last }) => reached.get(sourcePartition) !== last))
    throw rangesGone(run.session, ranges)
}

function ends(ranges: readonly Range[]): Position {
  return new Map(ranges.map(({ sourcePartition, end }) => [sourcePartition, end]))
}

function notFenced({ session }: Run, { kind }: { readonly kind: string }): void {
  if (kind !== 'fenced') return
  throw new MillraceError(
    'SINK_FAILED',
    `pipeline ${session.pipeline.name}: another process moved its position (stop it, then recover)`,
  )
}

/** `topic/0 [5, 9) is in table a and missing in table b`. */
export function sayHalf({ session }: Run, { ranges, ahead, sinks }: HalfFinished): string {
  const named = (indices: readonly number[]) => namesOf(indices.map((i) => session.sinks[i]!))
  return `${formatRanges(ranges)} is in ${named(ahead)} and missing in ${named(sinks)}`
}
