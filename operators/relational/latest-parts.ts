/** The newest row of every key of rows in files, in parts. */
import { identifier } from '../../engine/duckdb.ts'
import { duckdbDialect } from '../expressions/duckdb.ts'
import type { Plan } from './plan.ts'
import { placeColumns } from './scan.ts'
import { cutIntoParts } from './segments.ts'
import type { Reading, StoredRows } from './stored-rows.ts'

const winners = '_millrace_winners'
const { file, row } = placeColumns

/** Keys and order decide which rows win; then those are read. */
export async function* latestParts(
  { connection, budget }: Reading,
  { key, order, columns }: Extract<Plan, { op: 'latest' }>,
  { relation, segments }: StoredRows,
): AsyncGenerator<string> {
  const render = (expression: (typeof key)[number]) => duckdbDialect.expression(expression, 'r')
  const partition = key.length === 0 ? '' : `PARTITION BY ${key.map(render).join(', ')} `
  const newest = order.map((value) => `${render(value)} DESC NULLS LAST`).join(', ')
  const rows = relation.part(segments, { withPlaces: true })
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE ${winners} AS SELECT ${file}, ${row} FROM (${rows}) r QUALIFY row_number() OVER (${partition}ORDER BY ${newest}) = 1`,
  )
  const names = columns.map(({ name }) => `r.${identifier(name)}`).join(', ')
  for (const part of cutIntoParts(segments, budget))
    yield `SELECT ${names} FROM (${relation.part(part, { withPlaces: true })}) r SEMI JOIN ${winners} w ON r.${file} = w.${file} AND r.${row} = w.${row}`
  await connection.run(`DROP TABLE ${winners}`)
}
