/** Rows that ClickHouse cannot hold for what is in them: timestamps before 1900 or after 2299. */
import type { RefusedRow } from '../../engine/contracts.ts'
import { type Connection, identifier } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'
import { ownerPairs, parquet, same, unionColumns } from '../olap/columns.ts'
import type { OlapTable } from '../olap/description.ts'
import { outOfRange } from './types.ts'

/** SQL that is true for the rows of a relation that ClickHouse can hold. */
export function isHeld(relation: string, columns: readonly Column[]): string {
  const wrong = wrongColumns(relation, columns).map(([, expression]) => expression)
  return wrong.length === 0 ? 'true' : `NOT (${wrong.join(' OR ')})`
}

function wrongColumns(relation: string, columns: readonly Column[]): (readonly [column: string, wrong: string])[] {
  return columns.flatMap(({ name, type }) => {
    const wrong = outOfRange(`${relation}.${identifier(name)}`, type)
    return wrong === null ? [] : [[name, wrong] as const]
  })
}

/** @throws MillraceError `SINK_FAILED`, naming the column, if any row of the files cannot be held */
export async function refuseRows(
  connection: Connection,
  {
    name,
    files,
    incoming,
  }: { readonly name: string; readonly files: readonly ParquetFile[]; readonly incoming: readonly Column[] },
): Promise<void> {
  for (const [column, wrong] of wrongColumns('r', incoming)) {
    const [found] = await connection.rows(`SELECT count(*) AS n FROM ${parquet(files)} r WHERE ${wrong}`)
    if (Number(found?.n) > 0)
      throw new MillraceError(
        'SINK_FAILED',
        `olap table ${name}: ${found?.n} rows have a timestamp in ${column} that ClickHouse cannot hold: before 1900 or after 2299 (make it a string or a date in the step before)`,
        { context: { table: name, column } },
      )
  }
}

/** The rows of one input that cannot be held, of the owners touched (relation `temp.owners`): the same for the same files. */
export async function findRefused(
  connection: Connection,
  {
    input,
    files,
    table,
  }: { readonly input: string; readonly files: readonly ParquetFile[]; readonly table: OlapTable },
): Promise<RefusedRow[]> {
  const columns = unionColumns(files)
  const wrong = wrongColumns('r', columns)
  if (wrong.length === 0) return []
  const message = wrong.map(
    ([column, expression]) =>
      `CASE WHEN ${expression} THEN 'timestamp in ${column.replaceAll("'", "''")} is before 1900 or after 2299' END`,
  )
  const keys = table.key.filter((key) => columns.some(({ name }) => name === key))
  const names = [...new Set([...keys, ...columns.map(({ name }) => name)])].map(identifier)
  const rows = await connection.rows(
    `SELECT to_json(r)::VARCHAR AS row, concat_ws(', ', ${message.join(', ')}) AS message
     FROM (SELECT ${names.join(', ')} FROM ${parquet(files)}) r
     SEMI JOIN temp.owners o ON ${same(ownerPairs(table), 'r', 'o')}
     WHERE NOT (${isHeld('r', columns)}) ORDER BY ALL`,
  )
  return rows.map(({ row, message: why }) => ({
    input,
    row: String(row),
    message: `ClickHouse cannot hold it: ${why}`,
  }))
}
