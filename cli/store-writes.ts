/** What was written to a store and what was skipped, out of a sink's counts. Pure. */
import type { WriteCounts } from '../engine/contracts.ts'

/** Sums over everything of one kind: rows, vectors, or nodes and relationships together. */
export interface StoreWrites {
  /** Inserted, updated or removed. */
  readonly written: number
  /** Looked at, or told of by silver, and found to be as it should. */
  readonly skipped: number
}

/** Counts that say the same in another way: of one table, of titles instead of their relationships, of views. */
const repeated = /\.|^ownersRewritten$|^views$/

/** See {@link StoreWrites}. */
export function storeWrites(totals: WriteCounts): StoreWrites {
  let [written, skipped] = [0, 0]
  for (const [what, count] of Object.entries(totals))
    if (repeated.test(what)) continue
    else if (/skipped$|unchanged$/i.test(what)) skipped += count
    else written += count
  return { written, skipped }
}
