/** How a merge decides of rows and writes them, as statements over the files that may hold them. */
import type { AddFile } from './actions.ts'
import {
  changedRows,
  changes,
  countChanges,
  findHits,
  hitFiles,
  inserts,
  type MergeShape,
  partitionsOf,
  rewritten,
  taken,
  updatesIn,
} from './merge-sql.ts'
import type { LocalFile } from './read.ts'
import type { RowChanges } from './touched-files.ts'

/** The statements of one merge, asked for in this order. The source's rows are there already, the newest of each key. */
export interface MergePlan {
  /** Whether the file may hold a row that changes although its key is in no row of the source. */
  readonly mayChange: (file: AddFile) => boolean
  /** Statements: decide of the rows of candidates. */
  decide(candidates: readonly LocalFile[]): string[]
  /** Query: every file with rows that were matched or change as `file`, and how many change as `changed`. */
  readonly hitFiles: string
  /** Query with one row: how many rows of the table are `inserted`, `updated`, `deleted`; of the source's, how many do so: `effective`. */
  readonly counts: string
  /** Query: every row of candidates that becomes another, as it will be, and every row that is inserted. */
  taken(candidates: readonly LocalFile[]): string
  changes(inserted: number): RowChanges
}

/** A row that comes and is newer replaces the one that is there, or is inserted. */
export function plainPlan(shape: MergeShape): MergePlan {
  const paths = (files: readonly LocalFile[]) => files.map(({ path }) => path)
  return {
    mayChange: () => false,
    decide: (candidates) => findHits(shape, candidates),
    hitFiles: hitFiles(shape),
    counts: `SELECT *, inserted + updated + deleted AS effective FROM (${countChanges(shape)})`,
    taken: () => taken(shape),
    changes: (inserted) => ({
      rewritten: (files) => rewritten(shape, files),
      replaced: (files) => updatesIn(shape, paths(files)),
      added: inserted > 0 ? inserts(shape) : null,
      changedRows: (files) => changedRows(shape, paths(files)),
      changes: (files) => changes(shape, files),
      partitions: (files) => partitionsOf(shape, files),
    }),
  }
}
