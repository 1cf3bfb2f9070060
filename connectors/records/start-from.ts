/** Where partitions begin that a pipeline has no position for: what may be asked for, and what a log must have of it. */
import type { Position } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { shown } from '../../engine/shape.ts'
import { parseSourcePartition } from './source-partition.ts'

/**
 * At the first record, at the end as it is when the run starts, at the first record as new as a time (ISO 8601: a date, which
 * begins in UTC, or a date and a time with `Z` or an offset), or at offsets by source partition (`<topic>/<partition>`; the
 * others begin at the first record). A partition that is added later always begins at its first record, also if it was added
 * while nobody read.
 */
export type StartFrom =
  | 'earliest'
  | 'latest'
  | { readonly timestamp: string }
  | { readonly offsets: { readonly [sourcePartition: string]: string | number } }

/** What is wrong with it, one line each, as far as no log is needed. `reads`: whether a topic is one of those read. */
export function startProblems(startFrom: unknown, reads: (topic: string) => boolean): string[] {
  if (startFrom === 'earliest' || startFrom === 'latest') return []
  if (typeof startFrom === 'object' && startFrom !== null && Object.keys(startFrom).length === 1) {
    if ('timestamp' in startFrom) return timestampProblems(startFrom.timestamp)
    if ('offsets' in startFrom) return offsetsProblems(startFrom.offsets, reads)
  }
  return [`kafka: startFrom: must be earliest, latest, { timestamp } or { offsets }, not ${shown(startFrom)}`]
}

const isoTime = /^(\d{4}-\d{2}-\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/

function timestampProblems(timestamp: unknown): string[] {
  const day = typeof timestamp === 'string' ? isoTime.exec(timestamp)?.[1] : undefined
  if (day !== undefined && isDay(day) && !Number.isNaN(Date.parse(String(timestamp)))) return []
  return [
    `kafka: startFrom.timestamp: must be an ISO 8601 time with its zone, such as 2026-03-07T00:00:00Z, not ${shown(timestamp)}`,
  ]
}

/** There is no 30th of February. */
function isDay(text: string): boolean {
  const time = Date.parse(text)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text)
}

function offsetsProblems(offsets: unknown, reads: (topic: string) => boolean): string[] {
  if (typeof offsets !== 'object' || offsets === null || Array.isArray(offsets))
    return [`kafka: startFrom.offsets: must map <topic>/<partition> to an offset, not ${shown(offsets)}`]
  return Object.entries(offsets).flatMap(([partition, offset]) => offsetProblems(partition, offset, reads))
}

const lastOffset = 2n ** 63n - 1n

function offsetProblems(partition: string, offset: unknown, reads: (topic: string) => boolean): string[] {
  const name = /^(.+)\/(?:0|[1-9]\d{0,4})$/.exec(partition)?.[1]
  if (name === undefined || !isOffset(offset))
    return [
      `kafka: startFrom.offsets: must map <topic>/<partition> to an offset from 0 to ${lastOffset}, as a text where it is over ${Number.MAX_SAFE_INTEGER}, not ${JSON.stringify(partition)} to ${shown(offset)}`,
    ]
  if (reads(name)) return []
  return [`kafka: startFrom.offsets: ${JSON.stringify(partition)} is of a topic that is not read`]
}

function isOffset(offset: unknown): boolean {
  if (typeof offset === 'number') return Number.isSafeInteger(offset) && offset >= 0
  return typeof offset === 'string' && /^\d{1,19}$/.test(offset) && BigInt(offset) <= lastOffset
}

/** The offsets of {@link StartFrom} as positions. */
export function startOffsets(startFrom: StartFrom): Position {
  if (typeof startFrom !== 'object' || !('offsets' in startFrom)) return new Map()
  return new Map(Object.entries(startFrom.offsets).map(([partition, offset]) => [partition, BigInt(offset)]))
}

/**
 * `DEFINITION_INVALID` with a line for each offset that the log does not have: of a partition that is not there, or past the
 * end, where whatever is written up to it would be passed over. Topics that were read before begin elsewhere anyway.
 */
export function checkStartOffsets(startFrom: StartFrom, latest: Position, readBefore: ReadonlySet<string>): void {
  const problems: string[] = []
  for (const [partition, offset] of startOffsets(startFrom)) {
    if (readBefore.has(parseSourcePartition(partition).topic)) continue
    const end = latest.get(partition)
    if (end === undefined) problems.push(`startFrom.offsets: there is no partition ${partition}`)
    else if (offset > end) problems.push(`startFrom.offsets: ${partition} ends at offset ${end}, before ${offset}`)
  }
  if (problems.length === 0) return
  throw new MillraceError(
    'DEFINITION_INVALID',
    `${problems.join('\n')}\n(name partitions that are there, and offsets up to their ends)`,
    { problems },
  )
}
