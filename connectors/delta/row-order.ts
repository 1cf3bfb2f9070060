/** SQL of orders of rows. Pure. */
import { identifier } from '../../engine/duckdb.ts'

/** An order that rows are written in, so that files hold few values of each column and who looks for some opens few. */
export interface RowOrder {
  readonly columns: readonly string[]
  /**
   * `linear`: by the first column, then the second, ...: of use to who knows the first. `z`: along a curve that goes
   * through the values of all of them together, so that each is of use alone (Morton, 1966).
   */
  readonly curve: 'linear' | 'z'
}

/** Of the number of a row on the curve. */
const curveBits = 60
/** Ranks of a column's values: more make no smaller files. */
const mostBits = 10

/** SQL of a query that gives the rows of another with a further column, `place`: their numbers in the order, from 1. */
export function placed(query: string, names: readonly string[], order: RowOrder, place: string): string {
  const stored = names.map(identifier).join(', ')
  if (order.curve === 'linear')
    return `SELECT ${stored}, row_number() OVER (ORDER BY ${order.columns.map(identifier).join(', ')}) AS ${place} FROM (${query})`
  const bits = Math.min(mostBits, Math.floor(curveBits / order.columns.length))
  // equal ranks for equal values: which of them is first does not matter then
  const ranks = order.columns.map(
    (name, i) =>
      `least(floor(percent_rank() OVER (ORDER BY ${identifier(name)}) * ${2 ** bits})::BIGINT, ${2 ** bits - 1}) AS ${rank(i)}`,
  )
  const ranked = `SELECT ${stored}, ${ranks.join(', ')} FROM (${query})`
  return `SELECT ${stored}, row_number() OVER (ORDER BY ${interleaved(order.columns.length, bits)}) AS ${place} FROM (${ranked})`
}

function rank(column: number): string {
  return `"__millrace_rank${column}"`
}

/** The bits of all ranks in turn, from the lowest up. */
function interleaved(columns: number, bits: number): string {
  const parts: string[] = []
  for (let bit = 0; bit < bits; bit++)
    for (let column = 0; column < columns; column++)
      parts.push(`(((${rank(column)} >> ${bit}) & 1) << ${bit * columns + (columns - 1 - column)})`)
  return parts.join(' | ')
}
