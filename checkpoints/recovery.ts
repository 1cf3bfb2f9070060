/** Where to go on after a start: compares every sink's position. Pure. */
import type { Position, Range, SinkPosition } from '../engine/contracts.ts'
import type { Recovery } from '../engine/runtime.ts'

/**
 * Sinks are committed in turn with the same ranges, so they differ only after a half-finished batch, or when a sink
 * was added to the definition. The furthest position is where all shall be; the sinks that lack part of the way get it
 * replayed, those that hang back furthest first. A range that some sinks hold is judged again by the definition of
 * today: if the run that committed them had another one, that is refused, except for sinks that never held anything, or
 * nothing that today's definition did not make, while the primary has the range: a batch ends with the primary, so it is no half of one that they
 * lack, but they are new and catch up. Where nobody but the dead letters holds what another definition made, theirs is taken back: the
 * range is then one that no sink has, and the definition of today judges all of it.
 * @param sinks in commit order, the primary last
 * @param deadLetters index of the dead letters among them, or -1
 */
export function planRecovery(
  sinks: readonly SinkPosition[],
  initial: Position,
  fingerprint: string,
  deadLetters = -1,
): Recovery {
  const furthest = new Map<string, bigint>()
  for (const { position } of sinks)
    for (const [partition, next] of position) furthest.set(partition, larger(furthest.get(partition), next))
  const missing = sinks.map((sink) => missingRanges(sink.position, furthest, initial))
  const lagging = sinks.map((_, i) => i).filter((i) => missing[i]!.length > 0)
  if (lagging.length === 0) return { kind: 'settled', position: furthest }

  const first = lagging[0]!
  const together = lagging.filter((i) => sameRanges(missing[i]!, missing[first]!))
  const ranges = missing[first]!
  const primary = sinks.length - 1
  const finished = missing[primary]!.length === 0
  const allNew = together.every((i) => i !== primary && isNew(sinks[i]!, finished ? fingerprint : null))
  const ahead = sinks.map((_, i) => i).filter((i) => !together.includes(i) && holdsAny(sinks[i]!, ranges))
  const changed = ahead.filter((i) => isOfAnother(sinks[i]!, fingerprint))
  if (changed.length === 0 || allNew) return { kind: 'replay', ranges, sinks: together }
  if (changed.every((i) => i === deadLetters)) return { kind: 'undo', ranges, sinks: together, ahead: changed }
  return { kind: 'refused', ranges, sinks: together, ahead }
}

function isOfAnother(sink: SinkPosition, fingerprint: string): boolean {
  return sink.fingerprint !== null && sink.fingerprint !== fingerprint
}

/** @param fingerprint of what it may hold; null: nothing */
function isNew(sink: SinkPosition, fingerprint: string | null): boolean {
  return sink.fingerprint === null || sink.fingerprint === fingerprint
}

function larger(left: bigint | undefined, right: bigint): bigint {
  return left === undefined || right > left ? right : left
}

function missingRanges(position: Position, furthest: Position, initial: Position): Range[] {
  const ranges: Range[] = []
  for (const [sourcePartition, end] of furthest) {
    const start = position.get(sourcePartition) ?? initial.get(sourcePartition) ?? 0n
    if (start < end) ranges.push({ sourcePartition, start, end })
  }
  return ranges.sort((a, b) => (a.sourcePartition < b.sourcePartition ? -1 : 1))
}

function sameRanges(left: readonly Range[], right: readonly Range[]): boolean {
  return (
    left.length === right.length &&
    left.every((range, i) => {
      const other = right[i]!
      return range.sourcePartition === other.sourcePartition && range.start === other.start && range.end === other.end
    })
  )
}

function holdsAny(sink: SinkPosition, ranges: readonly Range[]): boolean {
  return ranges.some(({ sourcePartition, start }) => (sink.position.get(sourcePartition) ?? start) > start)
}
