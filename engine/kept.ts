/** Whether the sources are those that the sinks hold. */
import type { Position, SinkPosition } from './contracts.ts'
import { MillraceError } from './errors.ts'
import { identified, replacedSources, startedPartition } from './identity.ts'
import type { Session } from './session.ts'

/**
 * A sink cannot be ahead of its source: then the source lost records, or another one stands under its name, and what it
 * holds now would be taken for read, or be read twice. A partition that is not there at all says so only while the
 * definition is the one that wrote it, since a definition may give up a source, and unless its source passes over it.
 * @throws MillraceError `SOURCE_RANGE_LOST`, retryable where a stream only lacks partitions: they may come back
 */
export function assertKept(session: Session, sinks: readonly SinkPosition[], latest: Position): void {
  const { pipeline } = session
  const replaced = new Set<string>()
  const gone = new Set<string>()
  for (const { position, fingerprint } of sinks) {
    for (const each of replacedSources(position, session.identity))
      replaced.add(`${each} has been deleted and created again`)
    for (const [partition, next] of position) {
      if (identified(partition) !== null || startedPartition(partition) !== null) continue
      const end = latest.get(partition)
      if (end !== undefined && end < next) replaced.add(`${partition} ends at ${end} and was read up to ${next}`)
      const isGone = end === undefined && next > 0n && fingerprint === pipeline.fingerprint
      if (isGone && !isPassedOver(session, partition)) gone.add(`${partition} is gone and was read up to ${next}`)
    }
  }
  if (replaced.size + gone.size === 0) return
  const retryable = replaced.size === 0 && pipeline.trigger.kind === 'every'
  throw new MillraceError(
    'SOURCE_RANGE_LOST',
    `pipeline ${pipeline.name}: its source is not the one that it has read: ${[...replaced, ...gone].join(', ')} (${adviceFor(session, replaced.size > 0)})`,
    { context: { pipeline: pipeline.name }, retryable },
  )
}

function isPassedOver({ sources }: Session, partition: string): boolean {
  return [...sources.values()].some((source) => source.passesOver?.(partition) === true)
}

function adviceFor({ sources }: Session, replaced: boolean): string {
  if (replaced) return 'restore the topic or table, or read it by a pipeline of another name, into new tables'
  const mayPassOver = [...sources.values()].some((source) => source.passesOver !== undefined)
  return mayPassOver
    ? "restore the topic, or set onDataLoss: 'continue' at its source to go on without it"
    : 'restore the table, or read it by a pipeline of another name, into new tables'
}
