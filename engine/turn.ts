/** One turn of the loop: from where the sinks stand to the batch that comes next. */
import type { Position, Range } from './contracts.ts'
import { MillraceError } from './errors.ts'
import { assertKept } from './kept.ts'
import { type BatchOutcome, runBatch } from './micro-batch.ts'
import type { HalfBatch, Recovery } from './runtime.ts'
import { adoptStarts, latestPosition, ownedPositions, type Run, type Session, sinkPositions } from './session.ts'

/** What became of a turn; `position` is where the next one goes on, null where it must ask the sinks. */
export type Turn = BatchOutcome | { readonly kind: 'replayed' | 'taken-back'; readonly position: null }

/**
 * Runs the next batch: from the `known` position, or from where the sinks stand, after finishing what only some of them
 * hold. Reads as far as `goal`, or as the source goes now.
 */
export async function takeTurn(run: Run, known: Position | null, goal: Position | null): Promise<Turn> {
  const { session } = run
  let position = known
  if (position === null) {
    const recovery = await recoveryOf(session)
    if (recovery.kind === 'refused') throw definitionChanged(session, recovery)
    if (recovery.kind === 'undo') return takeBackLetters(run, recovery)
    if (recovery.kind === 'replay') return replay(run, recovery)
    position = recovery.position
  }
  const sinks = session.sinks.map((_, i) => i)
  return runBatch(run, { position, end: goal ?? (await latestPosition(session)), sinks, replay: false })
}

/** What the sinks' positions ask for. `SOURCE_RANGE_LOST` where the source is not the one that they hold. */
export async function recoveryOf(session: Session): Promise<Recovery> {
  const held = await sinkPositions(session)
  session.isNew = held.some(({ position }) => position.size === 0)
  adoptStarts(session, held)
  assertKept(session, held, await latestPosition(session))
  const own = ownedPositions(session, held)
  const { runtime, pipeline, initial } = session
  return runtime.planRecovery(own, initial, pipeline.fingerprint, pipeline.deadLetters)
}

/** Ranges, and indices of the sinks that lack them. */
type Missing = Pick<HalfBatch, 'ranges' | 'sinks'>

/** Runs ranges into the sinks that lack them, by the definition of today. */
export async function replay(run: Run, { ranges, sinks }: Missing): Promise<Turn> {
  const position = new Map(ranges.map((range) => [range.sourcePartition, range.start]))
  const end = new Map(ranges.map((range) => [range.sourcePartition, range.end]))
  const outcome = await runBatch(run, { position, end, sinks, replay: true })
  if (outcome.kind === 'nothing-to-read') throw rangesGone(run.session, ranges)
  return outcome.kind === 'committed' ? { kind: 'replayed', position: null } : outcome
}

/** Takes ranges back in the sinks that hold them. `SINK_FAILED` where one cannot. */
export async function takeBack(
  { session, emit }: Run,
  { ranges, ahead }: Pick<HalfBatch, 'ranges' | 'ahead'>,
): Promise<void> {
  const { pipeline, runtime } = session
  for (const i of ahead) {
    const sink = session.sinks[i]!
    if (sink.undo === undefined) throw new MillraceError('SINK_FAILED', `${sink.name} cannot take a batch back`)
    await sink.undo({ pipeline: pipeline.name, txnId: runtime.ids.uuid(), ranges })
    emit({ type: 'taken-back', pipeline: pipeline.name, sink: sink.name, ranges, kept: sink.keepsUndone === true })
  }
}

/** Codes of sinks that cannot take a batch back, whoever tries. */
const unableCodes: readonly string[] = ['SINK_FAILED', 'TABLE_UNSUPPORTED']

async function takeBackLetters(run: Run, half: HalfBatch): Promise<Turn> {
  try {
    await takeBack(run, half)
  } catch (error) {
    if (error instanceof MillraceError && !error.retryable && unableCodes.includes(error.code))
      throw definitionChanged(run.session, half, error)
    throw error
  }
  return { kind: 'taken-back', position: null }
}

function definitionChanged({ pipeline, sinks: all }: Session, { ranges, sinks }: Missing, cause?: MillraceError) {
  const lacking = sinks.map((i) => all[i]!.name).join(', ')
  const why = cause === undefined ? '' : `; ${cause.message}`
  return new MillraceError(
    'DEFINITION_CHANGED',
    `pipeline ${pipeline.name}: a batch was half finished under another definition: ${formatRanges(ranges)} is missing in ${lacking}${why} (run once with the former definition to finish it, or choose a way out: millrace recover, with the pipeline's name or file)`,
    { cause },
  )
}

/** The source does not keep what a half batch needs. */
export function rangesGone({ pipeline }: Session, ranges: readonly Range[]): MillraceError {
  return new MillraceError(
    'SOURCE_RANGE_LOST',
    `pipeline ${pipeline.name}: cannot finish a half-finished batch: the source no longer has ${formatRanges(ranges)} (was the topic or table deleted?)`,
  )
}

/** `topic/0 [5, 9), topic/1 [2, 3)`. */
export function formatRanges(ranges: readonly Range[]): string {
  return ranges.map((range) => `${range.sourcePartition} [${range.start}, ${range.end})`).join(', ')
}
