/**
 * The rows of a batch that a table does not take for what is in them, found before any sink has committed: which rules each of them
 * breaks, and files with all the others.
 */
import { join } from 'node:path'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import type { RefusedFile } from '../../engine/contracts.ts'
import { type Connection, type Duckdb, identifier, literal } from '../../engine/duckdb.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'
import { writeRefusedFile } from '../records/refused-file.ts'
import type { Constraint } from './constraints/constraints.ts'
import { shownValues } from './constraints/enforce.ts'
import { canonicalTypes, normalizedRows, serializedValue } from './partitions/partition-values.ts'
import { selectFiles } from './read.ts'
import { onTable, type SchemaChange } from './table-write.ts'

export interface SiftOptions {
  /** Path of the table. */
  readonly table: string
  readonly schema: SchemaChange
  readonly files: readonly ParquetFile[]
  /** Columns that identify a row; empty for a table that is only appended to. */
  readonly key: readonly string[]
  /** Boolean column, not of the table, of rows that only delete: they become no row of it. */
  readonly deleteWhen?: string
  /** Whether rows go into the table as they come, so that what they break is known without the table. */
  readonly asTheyCome: boolean
  readonly duckdb: () => Promise<Duckdb>
  /** An existing folder, for the files that are made. */
  readonly dir: string
  /** Whose dead letters the refused rows become, and what refused them. */
  readonly cause: { readonly pipeline: string; readonly step: string }
}

/** What is left of a batch. */
export interface Sifted {
  /** All rows that the table takes. */
  readonly files: readonly ParquetFile[]
  readonly refused: RefusedFile | null
  /** Names of the rules that every row of `files` keeps. */
  readonly kept: ReadonlySet<string>
}

/**
 * Reads the rows once if a rule asks for it that the statistics of their files do not settle, else not at all. The same rows are
 * refused whatever the table holds: those without a key, those whose values no partition can have, and, as rows of a merge
 * with clauses are only made by it, of other writes those that break a rule of the table.
 */
export async function siftRows(options: SiftOptions): Promise<Sifted> {
  const files = options.files.filter(({ rows }) => rows > 0)
  const isWhole = options.key.every((name) => options.schema.columns.some((column) => column.name === name))
  const rules = isWhole ? rulesOf(options) : [] // the merge itself says what rows lack
  const kept = new Set(rules.map(({ name }) => name))
  const open = rules.filter(({ notNull }) => notNull === undefined || mayBeNull(notNull, files, options.schema))
  if (files.length === 0 || open.length === 0) return { files: options.files, refused: null, kept }
  const duckdb = await options.duckdb()
  return duckdb.withConnection(async (bare) => {
    const connection = onTable(bare, options.table)
    const rows = `SELECT *, concat_ws('; ', ${open.map((rule) => complaint(rule, options.key)).join(', ')}) AS ${why} FROM (${rowsOf(options, files)})`
    const [found = {}] = await connection.rows(`SELECT count(*) AS n FROM (${rows}) WHERE ${why} <> ''`)
    if (Number(found.n) === 0) return { files: options.files, refused: null, kept }
    const taken = await copyTaken(connection, rows, options)
    return { files: taken.rows === 0 ? [] : [taken], refused: await copyRefused(connection, rows, options), kept }
  })
}

/** Further column of the rows: what is wrong with each, empty if nothing is. */
const why = '__millrace_why'

function rulesOf({ schema, key, deleteWhen, asTheyCome }: SiftOptions): Constraint[] {
  const { columns, partitionColumns, constraints } = schema
  const keys = key.map((name) => ({
    ...{ name: `merge key ${name}`, sql: `${identifier(name)} IS NOT NULL`, columns: [] },
    notNull: name,
  }))
  const placed = columns
    .filter(({ name, type }) => partitionColumns.includes(name) && !canonicalTypes.has(type))
    .concat(columns.filter(({ name, type }) => partitionColumns.includes(name) && type === 'date'))
    .map((column) => ({
      name: `form of partition column ${column.name} (days of the years 1 to 9999, bytes that are UTF-8)`,
      sql: `(${identifier(column.name)} IS NULL OR ${serializedValue(column)} IS NOT NULL)`,
      columns: [column.name],
    }))
  if (!asTheyCome) return [...keys, ...placed]
  const own = constraints.map((rule) => (deleteWhen === undefined ? rule : unlessDeleted(rule, deleteWhen)))
  return [...keys, ...placed, ...own]
}

/** A row that only deletes becomes none of the table. */
function unlessDeleted({ notNull: _, ...rule }: Constraint, deleteWhen: string): Constraint {
  return { ...rule, sql: `(coalesce(${identifier(deleteWhen)}, false) OR ${rule.sql})` }
}

/** False only where the statistics of every file say so. */
function mayBeNull(
  column: string,
  files: readonly ParquetFile[],
  { columns, partitionColumns }: SchemaChange,
): boolean {
  const type = columns.find(({ name }) => name === column)?.type
  const parted = partitionColumns.includes(column) && (type === 'string' || type === 'binary') // an empty one is null there
  const isFull = ({ statistics }: ParquetFile) =>
    statistics.some(({ path, nullCount }) => path.length === 1 && path[0] === column && nullCount === 0)
  return parted || !files.every(isFull)
}

/** SQL of what a row is told that breaks the rule; null for others. */
function complaint(rule: Constraint, key: readonly string[]): string {
  const { name, sql, columns } = rule
  if (columns.length === 0) return `CASE WHEN ${sql} IS NOT TRUE THEN ${literal(`has no ${name}`)} END`
  return `CASE WHEN ${sql} IS NOT TRUE THEN ${literal(`breaks ${name}: `)} || ${shownValues(rule, key)} END`
}

/** Query: the rows as the table would have them. */
function rowsOf({ schema, deleteWhen }: SiftOptions, files: readonly ParquetFile[]): string {
  const extra: Column[] = deleteWhen === undefined ? [] : [{ name: deleteWhen, type: 'boolean' }]
  const columns = [...schema.columns, ...extra]
  const local = files.map(({ path }) => ({ path, constants: {} }))
  return normalizedRows(columns, schema.partitionColumns, selectFiles({ columns, files: local }))
}

async function copyTaken(connection: Connection, rows: string, options: SiftOptions): Promise<ParquetFile> {
  const arriving = new Set(options.files.flatMap(({ columns }) => columns.map(({ name }) => name)))
  const { schema, deleteWhen, dir } = options
  const columns: Column[] = schema.columns.filter(({ name }) => arriving.has(name))
  if (deleteWhen !== undefined && arriving.has(deleteWhen)) columns.push({ name: deleteWhen, type: 'boolean' })
  const names = columns.map(({ name }) => identifier(name)).join(', ')
  const query = `SELECT ${names} FROM (${rows}) WHERE ${why} = ''`
  return copyToParquet(connection, query, join(dir, 'taken.parquet'), { columns })
}

function copyRefused(connection: Connection, rows: string, options: SiftOptions): Promise<RefusedFile> {
  const { schema, key, deleteWhen, dir, cause } = options
  const first = key.map((name) => schema.columns.find((column) => column.name === name)!)
  const rest = schema.columns.filter(({ name }) => !key.includes(name))
  const last: Column[] = deleteWhen === undefined ? [] : [{ name: deleteWhen, type: 'boolean' }]
  return writeRefusedFile(connection, {
    rows: `SELECT * FROM (${rows}) WHERE ${why} <> ''`,
    columns: [...first, ...rest, ...last],
    why,
    cause,
    path: join(dir, 'refused.parquet'),
  })
}
