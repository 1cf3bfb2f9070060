/** How a stage's inputs are read in DuckDB. */
import { describeColumns, duckdbType } from '../../engine/batch/duckdb-types.ts'
import type { StageInput, TableInputFile } from '../../engine/contracts.ts'
import { type Connection, identifier, literal, literals } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { type Column, sameType } from '../../engine/schema.ts'

/** An input of a stage as SQL. */
export interface InputRelation {
  /** Null when there are no files and nobody knows the columns. */
  readonly columns: readonly Column[] | null
  /** Query of exactly these columns. */
  readonly query: string
  readonly paths: readonly string[]
}

/**
 * The rows of an input: its own columns, constants of a file as columns, and null where a file lacks a column or a
 * field of a struct. Records never come here: a columns stage reads them.
 */
export async function inputRelation(connection: Connection, input: StageInput): Promise<InputRelation> {
  switch (input.kind) {
    case 'records':
      throw new MillraceError(
        'STEP_FAILED',
        'relational stage was given records (only table rows and files can be queried)',
      )
    case 'table':
      return await relation(connection, input.table.files, input.table.columns)
    case 'files': {
      const files = input.files.map(({ path }) => ({ path, constants: {} }))
      return await relation(connection, files, files.length === 0 ? (input.columns ?? null) : null)
    }
  }
}

/** A relation of the given columns without rows. */
export function emptyRelation(columns: readonly Column[]): string {
  return `SELECT ${columns.map(nullColumn).join(', ')} WHERE false`
}

async function relation(
  connection: Connection,
  files: readonly TableInputFile[],
  wanted: readonly Column[] | null,
): Promise<InputRelation> {
  if (files.length === 0) {
    const columns = wanted === null || wanted.length === 0 ? null : wanted
    return { columns, query: columns === null ? '' : emptyRelation(columns), paths: [] }
  }
  const groups = [...groupByConstants(files).values()]
  const stored: (readonly Column[])[] = []
  for (const group of groups) stored.push(await describeColumns(connection, readParquet(group)))
  const columns = wanted ?? stored[0]!
  const parts = groups.map((group, i) => selectAs(columns, stored[i]!, group))
  return { columns, query: parts.join('\nUNION ALL '), paths: files.map(({ path }) => path) }
}

/** Files with the same constants are read together. */
function groupByConstants(files: readonly TableInputFile[]): ReadonlyMap<string, readonly TableInputFile[]> {
  const groups = new Map<string, TableInputFile[]>()
  for (const file of files) {
    const entries = Object.entries(file.constants).sort(([a], [b]) => (a < b ? -1 : 1))
    const key = JSON.stringify(entries.map(([name, value]) => [name, typeof value, String(value)]))
    groups.set(key, [...(groups.get(key) ?? []), file])
  }
  return groups
}

function readParquet(files: readonly TableInputFile[]): string {
  const paths = files.map(({ path }) => path)
  return `SELECT * FROM read_parquet(${exactPaths(paths)}, union_by_name = true, hive_partitioning = false)`
}

/** Paths as an argument of DuckDB's readers, which take a path for a pattern: in brackets each sign stands for itself. */
export function exactPaths(paths: readonly string[]): string {
  return literals(paths.map((path) => path.replace(/[[*?]/g, '[$&]')))
}

function selectAs(columns: readonly Column[], stored: readonly Column[], group: readonly TableInputFile[]): string {
  const constants = group[0]!.constants
  const values = columns.map((column) => {
    const found = stored.find(({ name }) => name === column.name)
    const name = identifier(column.name)
    if (found !== undefined) return sameType(found.type, column.type) ? name : cast(name, column)
    const constant = constants[column.name]
    return constant === undefined ? nullColumn(column) : cast(constantSql(constant, column), column)
  })
  return `SELECT ${values.join(', ')} FROM (${readParquet(group)})`
}

/** A text for bytes stands for its own. */
function constantSql(constant: TableInputFile['constants'][string], { type }: Column): string {
  return type === 'binary' && typeof constant === 'string' ? `encode(${literal(constant)})` : literal(constant)
}

function nullColumn(column: Column): string {
  return cast('NULL', column)
}

function cast(value: string, column: Column): string {
  return `CAST(${value} AS ${duckdbType(column.type)}) AS ${identifier(column.name)}`
}
