/** What a batch brings a vector store: files of rows with an `id`, an `embedding`, and columns stored beside it. */
import { type Connection, parquetRows } from '../../engine/duckdb.ts'
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

/** `SINK_FAILED` for a row without an id, or whose vector has another length than those of its namespace. */
export async function checkVectors(
  connection: Connection,
  files: readonly ParquetFile[],
  { namespace, dimension }: { readonly namespace: string; readonly dimension: number },
): Promise<void> {
  const [bad] = await connection.rows(
    `SELECT id::VARCHAR AS id, len(embedding) AS length FROM ${scan(files)}
     WHERE id IS NULL OR embedding IS NULL OR len(embedding) <> ${dimension} ORDER BY id LIMIT 1`,
  )
  if (bad === undefined) return
  throw new MillraceError(
    'SINK_FAILED',
    `vector of ${bad.id} has ${bad.length ?? 'no'} dimensions, namespace ${namespace} has ${dimension} ` +
      '(embed it with the embedder that the sink names)',
    { context: { namespace, id: bad.id } },
  )
}
