/**
 * Writes what we read of every table of a lake as Parquet, for comparison with another reader:
 * OUT/<table with / as __>.rows.parquet, and .changes.parquet for tables with a change feed.
 *
 *   node checks/export.ts DATA_DIR OUT
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Place } from '../cli/place.ts'
import { openWorkspace } from '../cli/workspace.ts'
import { listTables } from '../connectors/delta/list-tables.ts'
import { selectTable } from '../connectors/delta/read.ts'
import { deltaSource } from '../connectors/delta/source.ts'
import { type Connection, literal } from '../engine/duckdb.ts'
import { defaultMemoryLimitBytes } from '../engine/memory.ts'
import { inputRelation } from '../operators/relational/scan.ts'

const [dataDir = '', out = ''] = process.argv.slice(2)
mkdirSync(out, { recursive: true })
const workspace = await openWorkspace({ dataDir, workers: 0, memoryLimitBytes: defaultMemoryLimitBytes })
const duckdb = await workspace.duckdb()
for (const path of await listTables(workspace.lake))
  await duckdb.withConnection((connection) =>
    exportTable(connection, workspace, path, join(out, path.replaceAll('/', '__'))),
  )
await workspace.close()

async function exportTable(connection: Connection, place: Place, path: string, target: string): Promise<void> {
  const table = place.table(path)
  const snapshot = (await table.snapshot())!
  const rows = await selectTable({ snapshot, store: place.lake, tablePath: path, duckdb: place.duckdb })
  await copy(connection, rows, `${target}.rows.parquet`)
  if (snapshot.metaData.configuration['delta.enableChangeDataFeed'] !== 'true') return
  const source = deltaSource({ ...place, table, store: place.lake, changeFeed: true })
  const range = { sourcePartition: snapshot.metaData.id, start: 0n, end: snapshot.version + 1n }
  const { query } = await inputRelation(connection, {
    kind: 'table',
    table: await source.files(range, place.scratchDir),
  })
  await copy(connection, query, `${target}.changes.parquet`)
}

async function copy(connection: Connection, query: string, path: string): Promise<void> {
  await connection.run(`COPY (${query}) TO ${literal(path)} (FORMAT parquet)`)
}
