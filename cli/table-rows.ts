/** Rows of a table for showing: in a stable order, and without reading more of a big table than is shown. */

import type { AddFile } from '../connectors/delta/actions.ts'
import { physicalColumns } from '../connectors/delta/column-mapping.ts'
import { withFieldIds } from '../connectors/delta/field-ids.ts'
import { localDataFile, selectFiles } from '../connectors/delta/read.ts'
import { rowsOf } from '../connectors/delta/statistics.ts'
import { identifier, type Row } from '../engine/duckdb.ts'
import type { Column } from '../engine/schema.ts'
import type { FoundTable } from './lake-tables.ts'
import type { Place } from './place.ts'

/** Up to this size of its files a table is sorted as a whole. */
const sortedUpToBytes = 64n * 2n ** 20n

const sortColumns = 8

export interface ShowOptions {
  readonly columns: readonly Column[]
  readonly limit: number
}

/**
 * The first rows in the order of the first columns. Of a table whose files are big only as many files are read as
 * hold enough rows, and the order is that within them.
 */
export async function firstRows(place: Place, { table, snapshot }: FoundTable, options: ShowOptions): Promise<Row[]> {
  const chosen = filesToRead([...(await snapshot.files()).values()], options.limit)
  const local = await Promise.all(chosen.map((file) => localDataFile(place.lake, table.path, file)))
  const { metaData } = snapshot
  const { columns } = options
  const files = await withFieldIds({ metaData, columns, duckdb: place.duckdb }, local)
  const from = selectFiles({ columns, physical: physicalColumns(metaData, columns), files })
  const order = orderOf(columns)
  const duckdb = await place.duckdb()
  return duckdb.withConnection((connection) =>
    connection.select(`SELECT * FROM (${from}) ORDER BY ${order} LIMIT ${options.limit}`, {}),
  )
}

/** Files that hold at least `limit` rows by their statistics; all of a small table. Pure. */
export function filesToRead(files: readonly AddFile[], limit: number): readonly AddFile[] {
  const sizeBytes = files.reduce((sum, file) => sum + file.size, 0n)
  if (sizeBytes <= sortedUpToBytes) return files
  const chosen: AddFile[] = []
  let rows = 0n
  for (const file of files) {
    if (rows >= limit) break
    chosen.push(file)
    rows += rowsOf(file) ?? 0n
  }
  return chosen
}

/** Nulls last, so that what there is comes first. */
function orderOf(columns: readonly Column[]): string {
  const sortable = columns.filter(({ type }) => typeof type === 'string' && type !== 'binary').slice(0, sortColumns)
  return sortable.length === 0
    ? 'ALL NULLS LAST'
    : sortable.map(({ name }) => `${identifier(name)} NULLS LAST`).join(', ')
}
