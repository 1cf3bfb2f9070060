/** Rows that lie in files, and how large they are. */
import type { TableInputFile } from '../../engine/contracts.ts'
import { type Connection, exactPaths, literals } from '../../engine/duckdb.ts'
import type { Budget } from './budget.ts'
import type { InputRelation } from './scan.ts'
import type { Segment } from './segments.ts'

/** Rows in files, and where these can be cut. */
export interface StoredRows {
  readonly relation: InputRelation
  readonly segments: readonly Segment[]
}

/** What rows are read with, part by part. */
export interface Reading {
  readonly connection: Connection
  readonly budget: Budget
}

/** The row groups of files, in order. `columns`: names of those that are read. */
export async function segmentsOf(
  connection: Connection,
  files: readonly TableInputFile[],
  columns: readonly string[],
): Promise<Segment[]> {
  if (files.length === 0) return []
  const paths = [...new Set(files.map(({ path }) => path))]
  const rows = await connection.rows(
    `SELECT file_name AS path, row_group_num_rows AS n,
       sum(total_uncompressed_size) FILTER (WHERE list_contains(${literals(columns)}, split_part(path_in_schema, ', ', 1))) AS bytes
     FROM parquet_metadata(${exactPaths(paths)}) GROUP BY file_name, row_group_id, row_group_num_rows ORDER BY file_name, row_group_id`,
  )
  const groups = Map.groupBy(rows, (row) => String(row.path))
  return files.flatMap((file, index) => {
    const found = groups.get(file.path) ?? []
    let from = 0
    return found.map(({ n, bytes }) => {
      const segment = { file, index, from, rows: Number(n), bytes: Number(bytes ?? 0), isFile: found.length === 1 }
      from += Number(n)
      return segment
    })
  })
}
