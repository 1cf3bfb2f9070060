/** What the columns of a table may be called. */
import { MillraceError } from '../../engine/errors.ts'
import type { Column, DataType } from '../../engine/schema.ts'

/** Columns that readers of a change feed get beside the table's own (PROTOCOL.md, "Change Data Files"). */
const changeFeedColumns = ['_change_type', '_commit_version', '_commit_timestamp']

/**
 * `SCHEMA_MISMATCH` for columns that other readers could not tell apart or not name, here or in a change feed, and for
 * none at all.
 */
export function assertColumnNames(columns: readonly Column[], table: { readonly changeFeed: boolean }): void {
  const [first] = columnNameProblems(columns, table)
  if (first !== undefined) throw new MillraceError('SCHEMA_MISMATCH', first)
}

/** What is wrong with the names, one line each: see {@link assertColumnNames}. */
export function columnNameProblems(columns: readonly Column[], table: { readonly changeFeed: boolean }): string[] {
  const taken = table.changeFeed ? columns.filter(({ name }) => changeFeedColumns.includes(name.toLowerCase())) : []
  return [
    ...taken.map(({ name }) => `column ${name}: change feeds have one of that name (rename it)`),
    ...problemsOf(columns, ''),
  ]
}

/**
 * `SCHEMA_MISMATCH` for columns by whose names rows cannot be told from their place in a file: DuckDB has some of its
 * own.
 */
export function assertRowsHavePlaces(table: string, columns: readonly Column[]): void {
  const names = columns.map(({ name }) => name.toLowerCase())
  const taken = names.includes('file_row_number') ? 'file_row_number' : 'file_index'
  if (taken === 'file_index' && !(names.includes('file_index') && names.includes('filename'))) return
  throw new MillraceError(
    'SCHEMA_MISMATCH',
    `table ${table} has a column ${taken}, by whose name rows of a file cannot be found to be changed (rename it)`,
  )
}

function problemsOf(columns: readonly Column[], prefix: string): string[] {
  if (columns.length === 0) return [`${prefix || 'the table'} has no columns (give it at least one)`]
  const problems: string[] = []
  const seen = new Map<string, string>()
  for (const { name, type } of columns) {
    const path = `${prefix}${name}`
    const twin = seen.get(name.toLowerCase())
    if (twin !== undefined) problems.push(`columns ${prefix}${twin} and ${path} differ at most in case (rename one)`)
    // the protocol allows these only with column mapping
    if (name === '' || /[ ,;{}()\n\t=]/.test(name))
      problems.push(`column name ${JSON.stringify(path)} holds one of ' ,;{}()\\n\\t=' (rename it)`)
    seen.set(name.toLowerCase(), name)
    problems.push(...typeProblems(type, path))
  }
  return problems
}

function typeProblems(type: DataType, path: string): string[] {
  if (typeof type === 'string' || type.kind === 'decimal') return []
  if (type.kind === 'struct') return problemsOf(type.fields, `${path}.`)
  return type.kind === 'array'
    ? typeProblems(type.element, `${path}.element`)
    : typeProblems(type.value, `${path}.value`)
}
