/**
 * Rows of files, named to DuckDB by a bit for each: a deletion vector may have a million of them, and as a list of numbers they
 * would take ten times the time and many times the memory.
 */
import { literal } from '../../engine/duckdb.ts'

/** Some rows of a file, by number from 0, ascending. */
export interface MarkedRows {
  readonly path: string
  readonly rows: readonly number[]
}

/** Query: `file`, and as `first` and `bits` the marked rows of each file that has any. */
export function rowMarks(files: readonly MarkedRows[]): string {
  const values = files.flatMap(({ path, rows }) =>
    rows.length === 0 ? [] : [`(${literal(path)}, ${rows[0]}::BIGINT, from_base64('${bitsOf(rows)}')::BIT)`],
  )
  return `SELECT * FROM (VALUES ${values.join(', ')}) AS marks("file", "first", "bits")`
}

/** Condition: whether a row is marked; `marks` is the alias of {@link rowMarks}, joined by file, or all null. */
export function isMarkedRow(marks: string, row: string): string {
  const place = `${row} - ${marks}."first"`
  const inside = `${marks}."bits" IS NOT NULL AND ${place} >= 0 AND ${place} < bit_length(${marks}."bits")`
  return `(CASE WHEN ${inside} THEN get_bit(${marks}."bits", (${place})::INTEGER) = 1 ELSE false END)`
}

/** From the first marked row to the last. */
function bitsOf(rows: readonly number[]): string {
  const first = rows[0]!
  const bytes = Buffer.alloc(((rows.at(-1)! - first) >> 3) + 1)
  for (const row of rows) bytes[(row - first) >> 3]! |= 0x80 >> ((row - first) & 7)
  return bytes.toString('base64')
}
