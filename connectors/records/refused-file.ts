/** Rows that a sink refuses, written as dead letters by one query: however many there are, none becomes an object. */
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { duckdbType } from '../../engine/batch/duckdb-types.ts'
import type { RefusedFile } from '../../engine/contracts.ts'
import { type Connection, identifier, literal } from '../../engine/duckdb.ts'
import { refusedCode } from '../../engine/prepare.ts'
import { deadLetterColumns, recordColumns } from '../../engine/record.ts'
import { type Column, sameType } from '../../engine/schema.ts'

export interface RefusedRowsOptions {
  /** Query of the refused rows: {@link RefusedRowsOptions.columns}, and one more of what is wrong with each. */
  readonly rows: string
  /** In the order in which they are shown. */
  readonly columns: readonly Column[]
  /** Name of the column that says what is wrong. */
  readonly why: string
  /** Whose dead letters they become, and what refused them. */
  readonly cause: { readonly pipeline: string; readonly step: string }
  /** Of the file; its folder exists. */
  readonly path: string
}

/**
 * A row that still has its record (place and bytes) is a dead letter as that record, which can be sent again; of any other the
 * value is the row as JSON. There is at least one.
 */
export async function writeRefusedFile(connection: Connection, options: RefusedRowsOptions): Promise<RefusedFile> {
  const { rows, why, path } = options
  const relation = `(${rows}) AS r`
  const json = asJson(options)
  const [first = {}] = await connection.rows(
    `SELECT r.${identifier(why)} AS message, CAST(${json} AS VARCHAR) AS row FROM ${relation} LIMIT 1`,
  )
  const query = `SELECT ${letterColumns(options, json).join(', ')} FROM ${relation}`
  const file = await copyToParquet(connection, query, path, { columns: deadLetterColumns })
  return { first: { input: 'rows', row: String(first.row), message: String(first.message) }, file }
}

function asJson({ columns }: RefusedRowsOptions): string {
  const fields = columns.map(({ name }) => `${identifier(name)} := r.${identifier(name)}`)
  return `to_json(struct_pack(${fields.join(', ')}))`
}

function letterColumns({ columns, why, cause }: RefusedRowsOptions, json: string): string[] {
  const isOwn = (wanted: Column) =>
    columns.some(({ name, type }) => name === wanted.name && sameType(type, wanted.type))
  const found = new Set(recordColumns.filter(isOwn).map(({ name }) => name))
  const isRecord = ['topic', 'partition', 'offset', 'value'].every((name) => found.has(name))
  const labels: Readonly<Record<string, string>> = {
    pipeline: literal(cause.pipeline),
    step: literal(cause.step),
    code: literal(refusedCode),
    message: `r.${identifier(why)}`,
    ...(isRecord ? {} : { value: `encode(CAST(${json} AS VARCHAR))` }),
  }
  return deadLetterColumns.map(({ name, type }) => {
    const own = isRecord && found.has(name) ? `r.${identifier(name)}` : 'NULL'
    return `CAST(${labels[name] ?? own} AS ${duckdbType(type)}) AS ${identifier(name)}`
  })
}
