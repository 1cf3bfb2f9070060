/** What a table is opened with. */
import type { Clock, Ids, ObjectStore } from '../../engine/contracts.ts'
import type { Duckdb } from '../../engine/duckdb.ts'

/** Where a table is, and what its snapshots and checkpoints take. */
export interface DeltaTableOptions {
  readonly store: ObjectStore
  /** Key prefix of the table, without slashes at its ends: `bronze/movies`. */
  readonly path: string
  /** Asked for only when a log checkpoint is read or written. */
  readonly duckdb: () => Promise<Duckdb>
  readonly clock: Clock
  readonly ids: Ids
  /** Commits between log checkpoints, unless the table says otherwise (`delta.checkpointInterval`); default 10. */
  readonly checkpointInterval?: number
  /** Existing local folder for unfinished files. */
  readonly stagingDir: string
  /** Told why a log checkpoint could not be written; the commit stands all the same. */
  readonly onCheckpointFailed?: (error: unknown) => void
}
