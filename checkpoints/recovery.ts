/** Where to go on after a start: compares every sink's position. Pure. */
import type { Position, Range } from '../engine/contracts.ts'
import type { Recovery, SinkStanding } from '../engine/runtime.ts'

/**
 * Sinks are committed in turn with the same ranges, so they differ only after a half-finished batch, or when a sink
 * was added to the definition. The furthest position is where all shall be; the sinks that lack part of the way get it
 * replayed, those that hang back furthest first. A range that some sinks hold is judged again by the definition of
 * today: if the run that committed them had another one, that is refused, except for sinks that hold nothing which that one made (they
 * are new, or were new and have not caught up). Of the primary that shows only if its rows have keys: an empty one without may lack its very
 * first batch, of which other sinks hold a part.
 * @param sinks in commit order, the primary last
 */
export function planRecovery(sinks: readonly SinkStanding[], initial: Position, fingerprint: string): Recovery {
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
  const allNew = together.every((i) => (i !== primary || sinks[i]!.keyed) && isOfToday(sinks[i]!, fingerprint))
  const ahead = sinks.filter((_, i) => !together.includes(i) && holdsAny(sinks[i]!, ranges))
  const changed = ahead.some((sink) => sink.fingerprint !== null && sink.fingerprint !== fingerprint)
  return { kind: changed && !allNew ? 'refused' : 'replay', ranges, sinks: together }
}

function isOfToday(sink: SinkStanding, fingerprint: string): boolean {
  return sink.position.size === 0 || sink.fingerprint === fingerprint
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

function holdsAny(sink: SinkStanding, ranges: readonly Range[]): boolean {
  return ranges.some(({ sourcePartition, start }) => (sink.position.get(sourcePartition) ?? start) > start)
}
