/** What connectors and commands find in an open data directory. */
import type { DeltaTable } from '../connectors/delta/table.ts'
import type { Clock, Ids, ObjectStore } from '../engine/contracts.ts'
import type { Duckdb } from '../engine/duckdb.ts'

export interface Place {
  readonly logDir: string
  readonly storesDir: string
  readonly scratchDir: string
  readonly lake: ObjectStore
  readonly clock: Clock
  readonly ids: Ids
  /** The process's one DuckDB database, opened at the first call. */
  duckdb(): Promise<Duckdb>
  /** A table of the lake; the same object for the same path, so that snapshots are read once. */
  table(path: string): DeltaTable
}
