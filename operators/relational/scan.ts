/** How a stage's inputs are read in DuckDB. */
import { describeColumns, duckdbType } from '../../engine/batch/duckdb-types.ts'
import type { StageInput, TableInputFile } from '../../engine/contracts.ts'
import { type Connection, identifier, literal, parquetRows } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { type Column, sameType } from '../../engine/schema.ts'
import type { Segment } from './segments.ts'

/** An input of a stage as SQL. */
export interface InputRelation {
  /** Null when there are no files and nobody knows the columns. */
  readonly columns: readonly Column[] | null
  /** Query of exactly these columns. */
  readonly query: string
  readonly files: readonly TableInputFile[]
  /** Query of the same columns, for some of the rows; of no more than these, where only they are read. */
  part(segments: readonly Segment[], options?: PartOptions): string
}

/** What a query of a part gives. */
export interface PartOptions {
  /** The only columns. */
  readonly columns?: readonly Column[]
  /** Adds {@link placeColumns}. */
  readonly withPlaces?: boolean
}

/** Columns that say where a row is: number of its file in the input, and number of the row in it, both from 0. */
export const placeColumns = { file: '_millrace_file', row: '_millrace_row' }

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
    const query = columns === null ? '' : emptyRelation(columns)
    return { columns, query, files, part: () => query }
  }
  const groups: Group[] = []
  for (const group of groupByConstants(files).values())
    groups.push({ files: group, stored: await describeColumns(connection, readParquet(group)) })
  return relationOf(wanted ?? groups[0]!.stored, files, groups)
}

/** The rows of files that were written with just these columns. */
export function writtenRelation(columns: readonly Column[], paths: readonly string[]): InputRelation {
  const files = paths.map((path) => ({ path, constants: {} }))
  return relationOf(columns, files, files.length === 0 ? [] : [{ files, stored: columns }])
}

/** Files with the same constants, and the columns that they have together. */
interface Group {
  readonly files: readonly TableInputFile[]
  readonly stored: readonly Column[]
}

function relationOf(
  columns: readonly Column[],
  files: readonly TableInputFile[],
  groups: readonly Group[],
): InputRelation {
  const whole = groups.map((group) => selectAs(columns, group, readParquet(group.files)))
  return {
    columns,
    query: whole.length === 0 ? emptyRelation(columns) : whole.join('\nUNION ALL '),
    files,
    part(segments, { columns: only = columns, withPlaces = false } = {}) {
      const queries = groups.flatMap((group) => {
        const members = new Set(group.files)
        const own = segments.filter(({ file }) => members.has(file))
        return readsOf(own, group).map((read) => selectAs(only, group, read, withPlaces))
      })
      return queries.length === 0
        ? emptyRelation(withPlaces ? [...only, ...places] : only)
        : queries.join('\nUNION ALL ')
    },
  }
}

const places: readonly Column[] = Object.values(placeColumns).map((name) => ({ name, type: 'long' }))

/** Whole files are read together, parts of files one by one. */
function readsOf(segments: readonly Segment[], group: Group): string[] {
  const whole = segments.filter(({ isFile }) => isFile)
  const together = whole.length === 0 ? [] : [readRows(whole, group)]
  const cut = segments.filter(({ isFile }) => !isFile)
  return [
    ...together,
    ...[...Map.groupBy(cut, ({ index }) => index).values()].map((of) => {
      const ranges = of.map(({ from, rows }) => `(${rowNumber} >= ${from} AND ${rowNumber} < ${from + rows})`)
      return `${readRows([of[0]!], group)} WHERE ${ranges.join(' OR ')}`
    }),
  ]
}

/** DuckDB's own name: it refuses files that have a column of that name. */
const rowNumber = 'file_row_number'

/** Rows with {@link placeColumns}. The empty relation in front gives every column of the group, whatever these files have. */
function readRows(segments: readonly Segment[], { files, stored }: Group): string {
  const paths = segments.map(({ file }) => file.path)
  const number = `list_extract([${segments.map(({ index }) => index).join(', ')}]::BIGINT[], file_index::BIGINT + 1)`
  const rows = `SELECT *, ${number} AS ${placeColumns.file} FROM ${parquetRows(paths, 'union_by_name = true', 'file_row_number = true')}`
  const read = files.length === 1 ? rows : `(${emptyRelation(stored)}) UNION ALL BY NAME (${rows})`
  return `SELECT *, ${rowNumber} AS ${placeColumns.row} FROM (${read})`
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
  return `SELECT * FROM ${parquetRows(paths, 'union_by_name = true')}`
}

/** The columns out of what a query of a group's rows gives. */
function selectAs(columns: readonly Column[], { files, stored }: Group, rows: string, withPlaces = false): string {
  const constants = files[0]!.constants
  const values = columns.map((column) => {
    const found = stored.find(({ name }) => name === column.name)
    const name = identifier(column.name)
    if (found !== undefined) return sameType(found.type, column.type) ? name : cast(name, column)
    const constant = constants[column.name]
    return constant === undefined ? nullColumn(column) : cast(constantSql(constant, column), column)
  })
  if (withPlaces) values.push(...Object.values(placeColumns))
  return `SELECT ${values.join(', ')} FROM (${rows})`
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
