/** Rows that no topic takes, as dead letters. */
import type { RefusedFile } from '../../engine/contracts.ts'
import { type Duckdb, identifier, literal, parquetRows } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'
import { writeRefusedFile } from './refused-file.ts'
import type { RefusedRecord } from './sink-rows.ts'

export interface RefusedRecordsOptions {
  readonly files: readonly ParquetFile[]
  readonly refused: readonly RefusedRecord[]
  readonly duckdb: Duckdb
  readonly cause: { readonly pipeline: string; readonly step: string }
  readonly path: string
}

const why = '__millrace_why'
const table = 'millrace_refused'
/** Rows of one statement. */
const most = 1000

/** The file of dead letters; null if no row is refused. */
export async function refusedRecords(options: RefusedRecordsOptions): Promise<RefusedFile | null> {
  const { files, refused, duckdb, cause, path } = options
  if (refused.length === 0) return null
  return duckdb.withConnection(async (connection) => {
    await connection.run(`CREATE TEMP TABLE ${table} (file INTEGER, row BIGINT, message VARCHAR)`)
    for (let at = 0; at < refused.length; at += most) {
      const values = refused
        .slice(at, at + most)
        .map(({ file, row, message }) => `(${file}, ${row}, ${literal(message)})`)
      await connection.run(`INSERT INTO ${table} VALUES ${values.join(', ')}`)
    }
    const named = new Set(refused.map(({ file }) => file))
    const parts = [...named].map((i) => rowsOf(files[i]!, i))
    const columns = new Map(
      files.flatMap((file) => file.columns.map((column): [string, Column] => [column.name, column])),
    )
    const rows = parts.map((part) => `(${part})`).join(' UNION ALL BY NAME ')
    const present = new Set([...named].flatMap((i) => files[i]!.columns.map(({ name }) => name)))
    const shown = [...columns.values()].filter(({ name }) => present.has(name))
    return writeRefusedFile(connection, { rows, columns: shown, why, cause, path })
  })
}

function rowsOf({ path, columns }: ParquetFile, file: number): string {
  const names = columns.map(({ name }) => `r.${identifier(name)}`).join(', ')
  return `SELECT ${names}, w.message AS ${why} FROM ${parquetRows([path], 'file_row_number = true')} AS r
    JOIN ${table} AS w ON w.file = ${file} AND w.row = r.file_row_number`
}

/** For whoever commits without having set refused rows aside. */
export function assertNoneRefused(sink: string, refused: readonly RefusedRecord[]): void {
  const [first] = refused
  if (first === undefined) return
  throw new MillraceError(
    'SINK_FAILED',
    `${sink} refuses ${refused.length === 1 ? 'a row' : `${refused.length} rows`}: one ${first.message} (change the step before; nothing was written)`,
    { context: { sink, rows: refused.length } },
  )
}
