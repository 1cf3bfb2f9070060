/** What a table's newest snapshot tells of it, and what was rejected into it. */
import { tableHistory } from '../connectors/delta/history.ts'
import { localDataFile, selectTable } from '../connectors/delta/read.ts'
import { rowsOf } from '../connectors/delta/statistics.ts'
import type { Snapshot } from '../connectors/delta/table.ts'
import { exactPaths } from '../engine/duckdb.ts'
import type { FoundTable } from './lake-tables.ts'
import type { Place } from './place.ts'

/** The newest version of a table, in numbers. */
export interface TableStatus {
  readonly table: string
  readonly version: bigint
  readonly rows: bigint
  readonly files: number
  readonly sizeBytes: bigint
  /** By the clock of whoever wrote the newest version; null where it left none. */
  readonly lastCommitMs: number | null
  readonly operation: string | null
}

/** From the log alone, unless a file has no statistics: then from the footers of such files. */
export async function tableStatus(place: Place, { table, snapshot }: FoundTable): Promise<TableStatus> {
  const files = [...(await snapshot.files()).values()]
  let newest: Pick<TableStatus, 'lastCommitMs' | 'operation'> = { lastCommitMs: null, operation: null }
  for await (const { timestampMs, operation } of tableHistory(table, 1))
    newest = { lastCommitMs: timestampMs, operation }
  return {
    table: table.path,
    version: snapshot.version,
    rows: await countRows(place, table.path, snapshot),
    files: files.length,
    sizeBytes: files.reduce((sum, file) => sum + file.size, 0n),
    ...newest,
  }
}

async function countRows(place: Place, path: string, snapshot: Snapshot): Promise<bigint> {
  const files = [...(await snapshot.files()).values()]
  const known = files.reduce((sum, file) => sum + (rowsOf(file) ?? 0n), 0n)
  const untold = files.filter((file) => rowsOf(file) === null)
  if (untold.length === 0) return known
  const local = await Promise.all(untold.map((file) => localDataFile(place.lake, path, file)))
  const duckdb = await place.duckdb()
  const [row] = await duckdb.withConnection((connection) =>
    connection.rows(
      `SELECT CAST(sum(num_rows) AS BIGINT) AS n FROM parquet_file_metadata(${exactPaths(local.map((file) => file.path))})`,
    ),
  )
  const deleted = local.reduce((sum, file) => sum + (file.deleted?.length ?? 0), 0)
  return known + BigInt(String(row?.n ?? 0)) - BigInt(deleted)
}

/** Name of the folder of the tables that hold what was rejected. */
export const deadLettersFolder = 'dead_letters/'

/** Rejected records per code, most first; nothing for a table that holds no dead letters. */
export async function deadLetterCounts(
  place: Place,
  { table, snapshot }: FoundTable,
): Promise<{ readonly code: string | null; readonly records: bigint }[]> {
  const columns = snapshot.columns.filter(({ name }) => name === 'code')
  if ((await snapshot.files()).size === 0 || columns.length === 0) return []
  const from = await selectTable({
    snapshot: { ...snapshot, columns },
    store: place.lake,
    tablePath: table.path,
    duckdb: place.duckdb,
  })
  const duckdb = await place.duckdb()
  const rows = await duckdb.withConnection((connection) =>
    connection.rows(`SELECT code, count(*) AS records FROM (${from}) GROUP BY code ORDER BY records DESC, code`),
  )
  return rows as unknown as { code: string | null; records: bigint }[]
}
