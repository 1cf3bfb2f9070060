/** Reading the embedded OLAP store. */
import { identifier, type Row } from '../../engine/duckdb.ts'
import type { DuckdbStore } from '../../engine/duckdb-store.ts'
import { MillraceError } from '../../engine/errors.ts'

/** The OLAP store for those who ask questions. */
export interface OlapStore {
  /** Rows of a query over the store's tables and views; the store cannot be changed by it. */
  rows(sql: string): Promise<Row[]>
  /** Rows per table, by name; views and the store's own tables are left out. Empty before the first commit. */
  counts(): Promise<ReadonlyMap<string, number>>
}

/** The store for queries. `TABLE_NOT_FOUND` before the first commit. */
export function openOlapStore(store: DuckdbStore): OlapStore {
  return {
    async rows(sql) {
      requireStore(store)
      return store.use('read', (connection) => connection.rows(sql))
    },
    async counts() {
      if (!store.exists()) return new Map()
      return store.use('read', async (connection) => {
        const tables = await connection.rows(
          `SELECT table_name AS name FROM duckdb_tables() WHERE database_name = current_database()
           AND NOT starts_with(table_name, '_millrace_') ORDER BY name`,
        )
        const counts = new Map<string, number>()
        for (const name of tables.map((row) => String(row.name))) {
          const [row] = await connection.rows(`SELECT count(*) AS n FROM ${identifier(name)}`)
          counts.set(name, Number(row?.n))
        }
        return counts
      })
    },
  }
}

/** @throws MillraceError `TABLE_NOT_FOUND` before the first commit */
export function requireStore(store: DuckdbStore): void {
  if (store.exists()) return
  throw new MillraceError('TABLE_NOT_FOUND', `olap store not found: ${store.path} (run a pipeline that fills it first)`)
}
