/** Rows of a script, appended to a Delta table by the connector's own sink. */
import { join } from 'node:path'
import type { Workspace } from '../../cli/workspace.ts'
import { delta } from '../../connectors/index.ts'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { duckdbType } from '../../engine/batch/duckdb-types.ts'
import { identifier, literal } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { makeFolder } from '../../engine/make-folder.ts'
import type { Column, DataType } from '../../engine/schema.ts'
import type { InputRow } from './row-types.ts'

/** A table and the rows that it gets. */
export interface TableRows {
  readonly path: string
  readonly columns: readonly Column[]
  readonly rows: readonly InputRow[]
  /** Whether a table that is made keeps a change feed. */
  readonly changeFeed: boolean
}

/** Appends rows in one version of the table, which is made if it is missing. */
export async function appendRows(workspace: Workspace, { path, columns, rows, changeFeed }: TableRows): Promise<void> {
  const description = delta({ table: path, mode: 'append', columns, ...(changeFeed ? { changeFeed } : {}) })
  const sink = await workspace.runtime.openSink({ ...description, inputs: { rows: 'rows' } })
  try {
    const txnId = workspace.ids.uuid()
    await makeFolder(workspace.scratchDir)
    const file = join(workspace.scratchDir, `${txnId}.parquet`)
    const duckdb = await workspace.duckdb()
    const written = await duckdb.withConnection((connection) =>
      copyToParquet(connection, valuesSql(columns, rows), file),
    )
    const { position } = await sink.position(writer)
    const start = position.get(path) ?? 0n
    const outcome = await sink.commit({
      pipeline: writer,
      txnId,
      fingerprint: writer,
      ranges: [{ sourcePartition: path, start, end: start + 1n }],
      initial: new Map([[path, 0n]]),
      outputs: new Map([['rows', rows.length === 0 ? [] : [written]]]),
      columns: new Map([['rows', columns]]),
      signal: new AbortController().signal,
    })
    if (outcome.kind !== 'committed')
      throw new MillraceError('SINK_FAILED', `rows of table ${path} were not written: ${outcome.kind} (try again)`)
  } finally {
    await sink.close()
  }
}

/** Under which name input is written. */
const writer = 'test-input'

function valuesSql(columns: readonly Column[], rows: readonly InputRow[]): string {
  const names = columns.map(({ name }) => identifier(name)).join(', ')
  const lines = (rows.length === 0 ? [{}] : rows).map(
    (row: InputRow) => `(${columns.map(({ name, type }) => valueSql(row[name], type)).join(', ')})`,
  )
  return `SELECT * FROM (VALUES ${lines.join(', ')}) AS t(${names})${rows.length === 0 ? ' WHERE false' : ''}`
}

function valueSql(value: unknown, type: DataType): string {
  return `CAST(${partSql(value, type)} AS ${duckdbType(type)})`
}

function partSql(value: unknown, type: DataType): string {
  if (value === null || value === undefined) return 'NULL'
  if (type === 'binary') return `from_hex(${literal(Buffer.from(value as string).toString('hex'))})`
  if (value instanceof Date) return literal(value.toISOString())
  if (typeof type !== 'string' && type.kind === 'array')
    return `[${(value as readonly unknown[]).map((each) => valueSql(each, type.element)).join(', ')}]`
  if (typeof type !== 'string' && type.kind === 'struct') {
    const parts = type.fields.map(
      (field) => `${identifier(field.name)} := ${valueSql((value as InputRow)[field.name], field.type)}`,
    )
    return `struct_pack(${parts.join(', ')})`
  }
  if (typeof type !== 'string' && type.kind === 'map') {
    const entries = value instanceof Map ? [...value] : Object.entries(value)
    const side = (at: 0 | 1, of: DataType) => entries.map((entry) => valueSql(entry[at], of)).join(', ')
    return `MAP([${side(0, type.key)}], [${side(1, type.value)}])`
  }
  return literal(value as string | number | bigint | boolean)
}
