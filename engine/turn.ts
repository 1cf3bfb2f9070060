/** One turn of the loop: from where the sinks stand to the batch that comes next. */
import type { Position, Range, SinkPosition } from './contracts.ts'
import { MillraceError } from './errors.ts'
import { identified, replacedSources, startedPartition } from './identity.ts'
import { type BatchOutcome, runBatch } from './micro-batch.ts'
import type { Recovery } from './runtime.ts'
import { adoptStarts, latestPosition, ownedPositions, type Run, type Session, sinkPositions } from './session.ts'

/** What became of a turn; `position` is where the next one goes on, null where it must ask the sinks. */
export type Turn = BatchOutcome | { readonly kind: 'replayed'; readonly position: null }

/**
 * Runs the next batch: from the `known` position, or from where the sinks stand, after finishing what only some of them
 * hold. Reads as far as `goal`, or as the source goes now.
 */
export async function takeTurn(run: Run, known: Position | null, goal: Position | null): Promise<Turn> {
  const { session } = run
  let position = known
  if (position === null) {
    const held = await sinkPositions(session)
    adoptStarts(session, held)
    assertKept(session, held, await latestPosition(session))
    const own = ownedPositions(session, held)
    const recovery = session.runtime.planRecovery(own, session.initial, session.pipeline.fingerprint)
    if (recovery.kind !== 'settled') return replay(run, recovery)
    position = recovery.position
  }
  const sinks = session.sinks.map((_, i) => i)
  return runBatch(run, { position, end: goal ?? (await latestPosition(session)), sinks, replay: false })
}

async function replay(run: Run, recovery: Exclude<Recovery, { kind: 'settled' }>): Promise<Turn> {
  const { ranges, sinks } = recovery
  if (recovery.kind === 'refused') throw definitionChanged(run.session, ranges, sinks)
  const position = new Map(ranges.map((range) => [range.sourcePartition, range.start]))
  const end = new Map(ranges.map((range) => [range.sourcePartition, range.end]))
  const outcome = await runBatch(run, { position, end, sinks, replay: true })
  if (outcome.kind === 'nothing-to-read') throw rangesGone(run.session, ranges)
  return outcome.kind === 'committed' ? { kind: 'replayed', position: null } : outcome
}

/**
 * A sink cannot be ahead of its source: then the source lost records, or another one stands under its name, and what it
 * holds now would be taken for read, or be read twice. A partition that is not there at all says so only while the
 * definition is the one that wrote it, since a definition may give up a source.
 */
function assertKept({ pipeline, identity }: Session, sinks: readonly SinkPosition[], latest: Position): void {
  const lost: string[] = []
  for (const { position, fingerprint } of sinks) {
    for (const replaced of replacedSources(position, identity))
      lost.push(`${replaced} has been deleted and created again`)
    for (const [partition, next] of position) {
      if (identified(partition) !== null || startedPartition(partition) !== null) continue
      const end = latest.get(partition)
      const gone = end === undefined && next > 0n && fingerprint === pipeline.fingerprint
      if (gone) lost.push(`${partition} is gone and was read up to ${next}`)
      else if (end !== undefined && end < next) lost.push(`${partition} ends at ${end} and was read up to ${next}`)
    }
  }
  if (lost.length === 0) return
  throw new MillraceError(
    'SOURCE_RANGE_LOST',
    `pipeline ${pipeline.name}: its source is not the one that it has read: ${[...new Set(lost)].join(', ')} (restore the topic or table, or begin anew with a pipeline of another name and new tables)`,
    { context: { pipeline: pipeline.name } },
  )
}

function definitionChanged({ pipeline, sinks: all }: Session, ranges: readonly Range[], sinks: readonly number[]) {
  const lacking = sinks.map((i) => all[i]!.name).join(', ')
  return new MillraceError(
    'DEFINITION_CHANGED',
    `pipeline ${pipeline.name}: a batch was half finished under another definition: ${formatRanges(ranges)} is missing in ${lacking} (run once with the former definition to finish it, then change it)`,
  )
}

function rangesGone({ pipeline }: Session, ranges: readonly Range[]): MillraceError {
  return new MillraceError(
    'SOURCE_RANGE_LOST',
    `pipeline ${pipeline.name}: cannot finish a half-finished batch: the source no longer has ${formatRanges(ranges)} (was the topic or table deleted?)`,
  )
}

function formatRanges(ranges: readonly Range[]): string {
  return ranges.map((range) => `${range.sourcePartition} [${range.start}, ${range.end})`).join(', ')
}
