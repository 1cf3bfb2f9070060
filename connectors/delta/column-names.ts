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
  const taken = table.changeFeed
    ? columns.find(({ name }) => changeFeedColumns.includes(name.toLowerCase()))
    : undefined
  if (taken !== undefined)
    throw new MillraceError('SCHEMA_MISMATCH', `column ${taken.name}: change feeds have one of that name (rename it)`)
  assertNames(columns, '')
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

function assertNames(columns: readonly Column[], prefix: string): void {
  if (columns.length === 0)
    throw new MillraceError('SCHEMA_MISMATCH', `${prefix || 'the table'} has no columns (give it at least one)`)
  const seen = new Map<string, string>()
  for (const { name, type } of columns) {
    const path = `${prefix}${name}`
    const twin = seen.get(name.toLowerCase())
    if (twin !== undefined)
      throw new MillraceError(
        'SCHEMA_MISMATCH',
        `columns ${prefix}${twin} and ${path} differ at most in case (rename one)`,
      )
    // the protocol allows these only with column mapping
    if (name === '' || /[ ,;{}()\n\t=]/.test(name))
      throw new MillraceError(
        'SCHEMA_MISMATCH',
        `column name ${JSON.stringify(path)} holds one of ' ,;{}()\\n\\t=' (rename it)`,
      )
    seen.set(name.toLowerCase(), name)
    assertTypeNames(type, path)
  }
}

function assertTypeNames(type: DataType, path: string): void {
  if (typeof type === 'string') return
  if (type.kind === 'struct') assertNames(type.fields, `${path}.`)
  if (type.kind === 'array') assertTypeNames(type.element, `${path}.element`)
  if (type.kind === 'map') assertTypeNames(type.value, `${path}.value`)
}
