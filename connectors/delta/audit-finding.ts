/** What an audit of a table finds. */
import type { Span } from './spans.ts'

/**
 * What can be wrong.
 * - `gap`: a range begins after the end that was reached; the span between was covered by no commit before it.
 * - `overlap`: a range begins before that end; the span was covered already. What fills an earlier gap is no overlap,
 *   what lies before the first range is one.
 * - `backwards`: a range ends before it begins, or an empty one stands before the end that was reached; the span is
 *   what the position went back over.
 * - `txn-mismatch`: the commit's `txn` is not at the range's end, a range that is not empty has none, or a position was
 *   moved without a range (also by another writer); the span is the difference.
 * - `snapshot-mismatch`: the newest snapshot's position is not the end of the last range; the span is the difference.
 * - `missing-entry`: log entries between others are gone; the span is of table versions.
 * - `row-outside`, `row-twice`: see audit-rows.ts.
 */
export type FindingKind =
  | 'gap'
  | 'overlap'
  | 'backwards'
  | 'txn-mismatch'
  | 'snapshot-mismatch'
  | 'missing-entry'
  | 'row-outside'
  | 'row-twice'

/** One thing that is wrong, and where exactly. */
export interface Finding {
  readonly kind: FindingKind
  /** Null where it is of no pipeline, or of several. */
  readonly pipeline: string | null
  readonly sourcePartition: string | null
  /** The table versions that disagree, ascending. */
  readonly versions: readonly bigint[]
  readonly span: Span
  /** What happened, for people: lower case, without the other fields. */
  readonly message: string
}
