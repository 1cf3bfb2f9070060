/** Tables for analysis in an embedded DuckDB file: rows and position in one transaction. */
import { commitToStore, positionInStore } from '../../checkpoints/duckdb-commit.ts'
import type { Clock, Sink, SinkCommit, WriteCounts } from '../../engine/contracts.ts'
import { type Connection, identifier, parquetRows } from '../../engine/duckdb.ts'
import type { DuckdbStore } from '../../engine/duckdb-store.ts'
import { checkColumns, unionColumns } from '../olap/columns.ts'
import type { OlapOptions } from '../olap/description.ts'
import { checkTable, growTable, syncTable, type TableCounts } from './table-sync.ts'
import { syncViews } from './views.ts'

export interface OlapSinkOptions {
  readonly store: DuckdbStore
  readonly description: OlapOptions
  readonly clock: Clock
}

/**
 * Keeps the described tables equal to the input for the owners that each batch names; a table is there from the first batch, rows or not. Counts `inserted`, `updated`,
 * `deleted`, `unchanged`, in all and per table (`casts.inserted`).
 */
export function olapSink(options: OlapSinkOptions): Sink {
  return {
    name: 'store olap',
    delivery: 'exactly-once',
    position: (pipeline) => positionInStore(options.store, pipeline),
    async prepare(commit) {
      if (options.store.exists())
        await options.store.use('read', (connection) => checkTables(connection, options, commit))
      else for (const sync of tablesOf(options, commit)) checkColumns(sync.name, sync.table, [], sync.incoming)
      return []
    },
    commit: (commit) => commitToStore(options, commit, (connection) => writeTables(connection, options, commit)),
    async close() {},
  }
}

/** What each table is to be kept equal to. */
function tablesOf({ description }: OlapSinkOptions, commit: SinkCommit) {
  return Object.entries(description.tables).map(([name, table]) => {
    const files = commit.outputs.get(table.from) ?? []
    const columns = commit.columns.get(table.from) ?? []
    return { name, table, files, columns, incoming: files.length === 0 ? columns : unionColumns(files) }
  })
}

async function checkTables(connection: Connection, options: OlapSinkOptions, commit: SinkCommit): Promise<void> {
  for (const sync of tablesOf(options, commit)) await checkTable(connection, sync)
}

async function writeTables(
  connection: Connection,
  { description }: OlapSinkOptions,
  commit: SinkCommit,
): Promise<WriteCounts> {
  const written: Record<string, number> = { inserted: 0, updated: 0, deleted: 0, unchanged: 0 }
  const touched = await readOwners(connection, description, commit)
  for (const [name, table] of Object.entries(description.tables)) {
    const files = commit.outputs.get(table.from) ?? []
    const columns = commit.columns.get(table.from) ?? []
    if (touched) add(written, name, await syncTable(connection, { name, table, files, columns, owners: 'temp.owners' }))
    else await growTable(connection, { name, table, files, columns })
  }
  const views = await syncViews(connection, description.views)
  return views === 0 ? written : { ...written, views }
}

/** False when the batch touches no owner: then nothing can have changed. */
async function readOwners(connection: Connection, description: OlapOptions, commit: SinkCommit): Promise<boolean> {
  const files = commit.outputs.get(description.owners) ?? []
  if (files.length === 0) return false
  const columns = new Set(Object.values(description.tables).flatMap((table) => Object.values(table.owner)))
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE owners AS SELECT DISTINCT ${[...columns].map(identifier).join(', ')}
     FROM ${parquetRows(
       files.map((file) => file.path),
       'union_by_name = true',
     )}`,
  )
  return true
}

function add(written: Record<string, number>, table: string, counts: TableCounts): void {
  for (const [kind, rows] of Object.entries(counts) as [string, number][]) {
    written[kind] = (written[kind] ?? 0) + rows
    if (rows > 0 && kind !== 'unchanged') written[`${table}.${kind}`] = rows
  }
}
