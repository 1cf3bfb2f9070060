/** How much of a stage's rows DuckDB is given at once. Pure. */
import { type CutLimits, type Segment, totalOf } from './segments.ts'

/** Bytes of rows, unpacked. */
export interface Budget extends CutLimits {
  /** A stage that reads more than this runs in parts. */
  readonly wholeBytes: number
}

/**
 * What fits into DuckDB's memory by experience: rows are held several times over while documents are parsed, and each thread holds
 * a vector of them.
 */
export function budgetOf(memoryLimitBytes: number): Budget {
  return { wholeBytes: memoryLimitBytes / 4, partBytes: memoryLimitBytes / 8, vectorBytes: memoryLimitBytes / 32 }
}

/** What a stage takes that runs as a whole: a stage of `wholeBytes` all of the memory. */
export function neededBytes(segments: readonly Segment[]): number {
  return 4 * totalOf(segments).bytes
}

/** The next try of a stage that ran out of memory; null where rows one by one would be the next. */
export function smallerBudget({ partBytes, vectorBytes }: Budget): Budget | null {
  if (vectorBytes < 2 ** 10) return null
  return { wholeBytes: 0, partBytes: partBytes / 8, vectorBytes: vectorBytes / 8 }
}
