/** A table of a lake by its name. */
import { listTables } from '../connectors/delta/list-tables.ts'
import type { DeltaTable, Snapshot } from '../connectors/delta/table.ts'
import type { ObjectStore } from '../engine/contracts.ts'
import { MillraceError } from '../engine/errors.ts'
import type { Place } from './place.ts'

/** A table that is there, and its newest snapshot. */
export interface FoundTable {
  readonly table: DeltaTable
  readonly snapshot: Snapshot
}

/** An existing table, now or at a version. `TABLE_NOT_FOUND` naming the tables that there are, or for a version that is not. */
export async function requireTable(place: Place, name: string, version?: bigint): Promise<FoundTable> {
  return openTable(place, await requireTablePath(place.lake, name), version)
}

/** The path of an existing table, which need not be readable. `TABLE_NOT_FOUND` naming the tables that there are. */
export async function requireTablePath(lake: ObjectStore, name: string): Promise<string> {
  const path = name.replace(/^\/+|\/+$/g, '')
  const tables = await listTables(lake)
  if (tables.includes(path)) return path
  throw new MillraceError(
    'TABLE_NOT_FOUND',
    `table not found: ${name} (${tables.length === 0 ? 'there are none: run a pipeline first' : `there are: ${tables.join(', ')}`})`,
  )
}

/** A table that is known to exist. */
export async function openTable(place: Place, path: string, version?: bigint): Promise<FoundTable> {
  const table = place.table(path)
  const snapshot = await table.snapshot(version)
  if (snapshot === null) throw new MillraceError('TABLE_CORRUPT', `table ${path} has a log without a readable version`)
  return { table, snapshot }
}
