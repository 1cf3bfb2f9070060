/** The statements that change rows of files by a condition. Pure text. */
import { identifier, literals } from '../../engine/duckdb.ts'
import type { Column } from '../../engine/schema.ts'
import { normalizedRows } from './partitions/partition-values.ts'
import { type LocalFile, selectFiles } from './read.ts'
import type { RowChanges } from './touched-files.ts'

/** Which rows change, and into what. */
export interface RowChange {
  readonly columns: readonly Column[]
  readonly partitionColumns: readonly string[]
  /** SQL over the columns; null is not true. */
  readonly condition: string
  /** SQL by column, of its type; null: the rows are deleted. */
  readonly set: ReadonlyMap<string, string> | null
}

const fileColumn = '__millrace_file'
const rowColumn = '__millrace_row'

/** Query: every file with a row that changes as `file`, and how many do as `changed`. */
export function countRows({ columns, condition }: RowChange, files: readonly LocalFile[]): string {
  const rows = selectFiles({ columns, files, fileColumn })
  return `SELECT ${fileColumn} AS file, count(*) AS changed FROM (${rows}) WHERE ${condition} GROUP BY ${fileColumn}`
}

/** Query: what the rows that change become, as a table can give them back. */
export function updatedRows(change: RowChange, files: readonly LocalFile[]): string {
  return normalizedRows(change.columns, change.partitionColumns, replaced(change, files))
}

/** How the rows change, for files in which some do. */
export function rowChanges(change: RowChange): RowChanges {
  const { columns, partitionColumns, condition, set } = change
  const rows = (files: readonly LocalFile[]) => selectFiles({ columns, files })
  const rewritten = (files: readonly LocalFile[]) => {
    if (set === null) return `SELECT * FROM (${rows(files)}) WHERE (${condition}) IS NOT TRUE`
    return selected(change, files, (value, own) => `CASE WHEN ${condition} THEN ${value} ELSE ${own} END`)
  }
  return {
    rewritten,
    replaced: (files) => (set === null ? null : replaced(change, files)),
    added: null,
    changedRows: (files) =>
      `SELECT ${fileColumn} AS file, list(${rowColumn}) AS "rows" FROM (${selectFiles({ columns, files, fileColumn, rowColumn })}) WHERE ${condition} AND list_contains(${literals(files.map(({ path }) => path))}, ${fileColumn}) GROUP BY ${fileColumn}`,
    changes(files) {
      const before = (type: string) => `SELECT *, '${type}' AS _change_type FROM (${rows(files)}) WHERE ${condition}`
      if (set === null) return before('delete')
      const after = `SELECT *, 'update_postimage' AS _change_type FROM (${replaced(change, files)})`
      return `(${before('update_preimage')}) UNION ALL (${after})`
    },
    partitions(files) {
      const bare = columns.filter(({ name }) => partitionColumns.includes(name))
      const after = `SELECT ${bare.map(({ name }) => identifier(name)).join(', ')} FROM (${rewritten(files)})`
      return `(${after}) UNION ALL (${selectFiles({ columns: bare, files })})`
    },
  }
}

function replaced(change: RowChange, files: readonly LocalFile[]): string {
  return `${selected(change, files, (value) => value)} WHERE ${change.condition}`
}

function selected(
  { columns, set }: RowChange,
  files: readonly LocalFile[],
  sqlOf: (value: string, own: string) => string,
): string {
  const values = columns.map(({ name }) => {
    const own = identifier(name)
    const value = set?.get(name)
    // a name of its own for the rows: what is selected must not be taken for the column
    return value === undefined ? `r.${own}` : `${sqlOf(value, own)} AS ${own}`
  })
  return `SELECT ${values.join(', ')} FROM (${selectFiles({ columns, files })}) r`
}
