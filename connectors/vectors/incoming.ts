/** What a batch brings a vector store: files of rows with an `id`, an `embedding`, and columns stored beside it. */
import type { RefusedRow } from '../../engine/contracts.ts'
import { type Connection, identifier, parquetRows } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'

/** The files as a relation. */
export function scan(files: readonly ParquetFile[]): string {
  return parquetRows(
    files.map((file) => file.path),
    'union_by_name = true',
  )
}

/** Columns beside `id` and `embedding`, by their first appearance. */
export function metadataColumns(files: readonly ParquetFile[]): Column[] {
  const columns = new Map<string, Column>()
  for (const column of files.flatMap((file) => file.columns))
    if (column.name !== 'id' && column.name !== 'embedding' && !columns.has(column.name))
      columns.set(column.name, column)
  return [...columns.values()]
}

/** What a row must have: an id and a vector, or one whose values are numbers besides. A service says by itself which are none. */
export type Demand = 'vector' | 'numbers'

/** SQL that is null for rows that a store takes, and else says why not. */
function complaint(demand: Demand): string {
  const absent = `WHEN id IS NULL THEN 'has no id' WHEN embedding IS NULL THEN 'has no vector'`
  if (demand === 'vector') return `CASE ${absent} END`
  // of the ends alone, since a function of each element copies all elements of some thousand rows
  const isNone = `list_count(embedding) < len(embedding)
    OR NOT coalesce(isfinite(list_min(embedding)) AND isfinite(list_max(embedding)), true)`
  return `CASE ${absent} WHEN ${isNone} THEN 'has a vector with a value that is no number' END`
}

/** The rows of the files that a store takes, as a relation. */
export function takenRows(files: readonly ParquetFile[], demand: Demand): string {
  return `(SELECT * FROM ${scan(files)} WHERE (${complaint(demand)}) IS NULL)`
}

/** The others, in order: the same for the same files. Their vectors are left out. */
export async function refusedVectors(
  connection: Connection,
  { input, files, demand }: { readonly input: string; readonly files: readonly ParquetFile[]; readonly demand: Demand },
): Promise<RefusedRow[]> {
  const shown = ['id', ...metadataColumns(files).map(({ name }) => name)].map(identifier).join(', ')
  const rows = await connection.rows(
    `SELECT to_json(r)::VARCHAR AS row, why FROM (
       SELECT ${shown}, ${complaint(demand)} AS __millrace_why FROM ${scan(files)}
     ) t, LATERAL (SELECT ${shown}) r, LATERAL (SELECT __millrace_why AS why) w WHERE why IS NOT NULL ORDER BY ALL`,
  )
  return rows.map(({ row, why }) => ({
    input,
    row: String(row),
    message: `the vector store does not take it: it ${why}`,
  }))
}

/** `SINK_FAILED` for a vector that has another length than those of its namespace, whatever else is wrong with its row. */
export async function checkVectors(
  connection: Connection,
  files: readonly ParquetFile[],
  { namespace, dimension }: { readonly namespace: string; readonly dimension: number },
): Promise<void> {
  const [bad] = await connection.rows(
    `SELECT id::VARCHAR AS id, len(embedding) AS length FROM ${scan(files)} WHERE len(embedding) <> ${dimension} ORDER BY id LIMIT 1`,
  )
  if (bad === undefined) return
  throw new MillraceError(
    'SINK_FAILED',
    `vector of ${bad.id} has ${bad.length} dimensions, namespace ${namespace} has ${dimension} (embed it with the embedder that the sink names)`,
    { context: { namespace, id: bad.id } },
  )
}
