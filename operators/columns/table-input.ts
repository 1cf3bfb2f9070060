/** Parquet files of a table, with the columns that the table has whatever a file holds. */
import { type Table as ArrowTable, type Data, Int64, makeData, type RecordBatch, Utf8 } from 'apache-arrow'
import { batchOf, constantColumn, nullColumn, tableOf } from '../../engine/batch/arrow.ts'
import { arrowField } from '../../engine/batch/arrow-types.ts'
import { readParquetBatches } from '../../engine/batch/parquet.ts'
import type { StageInput, TableInputFile } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Column } from '../../engine/schema.ts'

/** Rows decoded at once. */
const batchRows = 4096

/** The rows of an input that is files, table by table. A table's missing columns read as null or as their constant. */
export async function* readFiles(input: Exclude<StageInput, { kind: 'records' }>): AsyncGenerator<ArrowTable> {
  if (input.kind === 'files') {
    for (const { path, part } of input.files) yield* readParquetBatches(path, batchRows, part)
    return
  }
  for (const file of input.table.files) {
    const columns = withConstants(input.table.columns, file)
    for await (const table of readParquetBatches(file.path, batchRows))
      yield tableOf(table.batches.map((batch) => conform(batch, columns, file)))
  }
}

/** Constants that the table's columns do not name come last. */
function withConstants(columns: readonly Column[], { constants }: TableInputFile): Column[] {
  const extra = Object.entries(constants).filter(([name]) => !columns.some((column) => column.name === name))
  return [
    ...columns,
    ...extra.map(([name, value]): Column => ({ name, type: typeof value === 'bigint' ? 'long' : 'string' })),
  ]
}

function conform(batch: RecordBatch, columns: readonly Column[], file: TableInputFile): RecordBatch {
  const fields = columns.map((column) => arrowField(column))
  const data = columns.map((column, i) => {
    const stored = batch.schema.fields.findIndex(({ name }) => name === column.name)
    if (stored >= 0) return batch.data.children[stored]!
    const value = file.constants[column.name] ?? null
    return value === null
      ? nullColumn(fields[i]!.type, batch.numRows)
      : constantOf(column, value, batch.numRows, file.path)
  })
  return batchOf(
    fields.map((field, i) => field.clone({ type: data[i]!.type })),
    data,
    batch.numRows,
  )
}

function constantOf(column: Column, value: string | bigint, rows: number, path: string): Data {
  if (column.type === 'string') return constantColumn(new Utf8(), Buffer.from(String(value)), rows)
  if (column.type === 'long') {
    const data = new BigInt64Array(rows).fill(BigInt(value))
    return makeData({ type: new Int64(), length: rows, nullCount: 0, data }) as Data
  }
  throw new MillraceError(
    'SCHEMA_MISMATCH',
    `column ${column.name} of ${path} is a constant of a type that steps on columns cannot read (put a select before)`,
  )
}
