/** The tables of a lake, and one of them by name. */
import type { DeltaTable, Snapshot } from '../connectors/delta/table.ts'
import type { ObjectStore } from '../engine/contracts.ts'
import { MillraceError } from '../engine/errors.ts'
import type { Place } from './place.ts'

const logFolder = '/_delta_log/'

/** Paths of all tables, in the order of their names. A table's own files are not walked through. */
export async function listTables(lake: ObjectStore): Promise<string[]> {
  const tables: string[] = []
  for (let found = await nextTable(lake, ''); found !== null; found = await nextTable(lake, afterAll(found)))
    tables.push(found)
  return tables.sort() // by key, `a-b/...` comes before `a/...`
}

async function nextTable(lake: ObjectStore, startAfter: string): Promise<string | null> {
  for await (const { key } of lake.list('', startAfter)) {
    const end = key.indexOf(logFolder)
    if (end > 0) return key.slice(0, end)
  }
  return null
}

/** Greater than every key of the table, smaller than those of the tables behind it. */
function afterAll(table: string): string {
  return `${table}/\u{10ffff}`
}

/** A table that is there, and its newest snapshot. */
export interface FoundTable {
  readonly table: DeltaTable
  readonly snapshot: Snapshot
}

/** An existing table, now or at a version. `TABLE_NOT_FOUND` naming the tables that there are, or for a version that is not. */
export async function requireTable(place: Place, name: string, version?: bigint): Promise<FoundTable> {
  const path = name.replace(/^\/+|\/+$/g, '')
  const tables = await listTables(place.lake)
  if (!tables.includes(path))
    throw new MillraceError(
      'TABLE_NOT_FOUND',
      `table not found: ${name} (${tables.length === 0 ? 'there are none: run a pipeline first' : `there are: ${tables.join(', ')}`})`,
    )
  return openTable(place, path, version)
}

/** A table that is known to exist. */
export async function openTable(place: Place, path: string, version?: bigint): Promise<FoundTable> {
  const table = place.table(path)
  const snapshot = await table.snapshot(version)
  if (snapshot === null) throw new MillraceError('TABLE_CORRUPT', `table ${path} has a log without a readable version`)
  return { table, snapshot }
}
