/** The ranges that one pipeline committed of one source partition, one after the other. Pure. */
import type { Range } from '../../engine/contracts.ts'
import type { Finding, FindingKind } from './audit-finding.ts'
import { mergeSpans, type Span, subtractSpans } from './spans.ts'

/** How far the ranges have come, and what they covered on the way. */
export interface Chain {
  readonly pipeline: string
  readonly sourcePartition: string
  /** Start of the first range that the log still has; without one the position itself. */
  readonly from: bigint
  /** The greatest end that a range reached. */
  readonly to: bigint
  /** End of the newest range: where the next one must begin. */
  readonly position: bigint
  /** What the ranges cover together: one span if they tile. */
  readonly covered: readonly Span[]
  /** How many, empty ones included. 0: the snapshot holds a position whose commits the log no longer has. */
  readonly ranges: number
  /** Version of the newest range; of the snapshot without one. */
  readonly version: bigint
  /**
   * Rows that the ranges added (or changed, in a merge). A commit counts its rows as a whole: null where one that
   * covered other source partitions too had any, or did not count.
   */
  readonly rows: bigint | null
  /** Rows of all commits that covered a part of it, for other source partitions too; null if one did not count. */
  readonly commitRows: bigint | null
}

/** A range as a version of the table committed it. */
export interface Link {
  readonly range: Range
  readonly version: bigint
  /** Rows of the range itself, null where that is not known. */
  readonly rows: bigint | null
  /** Rows of the commit, if the range is not empty. */
  readonly commitRows: bigint | null
}

/** A chain that nothing was added to yet: it stands where its first range begins. */
export function newChain(pipeline: string, { sourcePartition, start, end }: Range, version: bigint): Chain {
  const from = start < end ? start : end
  const nothing = { covered: [], ranges: 0, rows: 0n, commitRows: 0n }
  return { pipeline, sourcePartition, from, to: from, position: from, version, ...nothing }
}

/** The chain with one more range, whether it fits or not. */
export function extendChain(chain: Chain, { range, version, rows, commitRows }: Link): Chain {
  const { start, end } = range
  return {
    ...chain,
    to: end >= start && end > chain.to ? end : chain.to,
    position: end,
    covered: mergeSpans([...chain.covered, range]),
    ranges: chain.ranges + 1,
    version,
    rows: sumRows(chain.rows, rows),
    commitRows: sumRows(chain.commitRows, commitRows),
  }
}

/** The chain after its position was taken back to an earlier one, together with the rows. */
export function rewindChain(chain: Chain, position: bigint, version: bigint): Chain {
  const covered = chain.covered.flatMap(({ start, end }) =>
    start < position ? [{ start, end: end < position ? end : position }] : [],
  )
  return { ...chain, to: position, position, covered, version }
}

/** What is wrong with a range as the next one of the chain: nothing if it begins where the chain has come to. */
export function rangeFindings(chain: Chain, { start, end }: Range, version: bigint): Finding[] {
  const { pipeline, sourcePartition, from, to, covered } = chain
  const versions = chain.ranges === 0 ? [version] : [chain.version, version]
  const found = (kind: FindingKind, span: Span, message: string): Finding => {
    return { kind, pipeline, sourcePartition, versions, span, message }
  }
  if (end < start) return [found('backwards', { start: end, end: start }, 'the range ends before it begins')]
  if (start > to) return [found('gap', { start: to, end: start }, 'no commit covered it')]
  if (start === end && start < to)
    return [found('backwards', { start, end: to }, 'an empty range stands before the end that was reached')]
  const holes = subtractSpans({ start: from, end: to }, covered)
  const twice = subtractSpans({ start, end: end < to ? end : to }, holes)
  return twice.map((span) => found('overlap', span, 'it was covered already'))
}

/** Null, for not known, if either is. */
export function sumRows(left: bigint | null, right: bigint | null): bigint | null {
  return left === null || right === null ? null : left + right
}
