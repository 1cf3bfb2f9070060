/** Dead letters: records that failed, with cause, position and the bytes as they came. */
import {
  type Table as ArrowTable,
  DataType as ArrowType,
  type Data,
  type Field,
  type RecordBatch,
  Schema,
  Utf8,
} from 'apache-arrow'
import {
  batchOf,
  constantColumn,
  emptyBatch,
  nullColumn,
  runsOf,
  tableOf,
  takeColumn,
  textColumn,
} from './batch/arrow.ts'
import { arrowField } from './batch/arrow-types.ts'
import { recordSchema } from './batch/record-columns.ts'
import { deadLetterColumns } from './record.ts'

/** Rows that a step rejected, in ascending order, each with its code and message. */
export interface Rejected {
  readonly rows: readonly number[]
  readonly codes: readonly string[]
  readonly messages: readonly string[]
}

/** Arrow schema of dead letters: {@link deadLetterColumns}. */
export const deadLetterSchema: Schema = new Schema(deadLetterColumns.map(arrowField))

/** Who rejected a record, and why. */
export interface DeadLetterCause {
  readonly pipeline: string
  readonly step: string
}

/**
 * The dead letters of a table's rejected rows. Record columns are found by name and type; those that the table does
 * not have (any more) are null.
 */
export function deadLetters(table: ArrowTable, rejected: Rejected, cause: DeadLetterCause): ArrowTable {
  const batches: RecordBatch[] = []
  let firstRow = 0
  let next = 0
  for (const batch of table.batches) {
    const from = next
    while (next < rejected.rows.length && rejected.rows[next]! < firstRow + batch.numRows) next++
    if (next > from) batches.push(ofBatch(batch, part(rejected, from, next, firstRow), cause))
    firstRow += batch.numRows
  }
  return batches.length === 0 ? tableOf([emptyBatch(deadLetterSchema.fields)]) : tableOf(batches)
}

function part(rejected: Rejected, from: number, to: number, firstRow: number): Rejected {
  return {
    rows: rejected.rows.slice(from, to).map((row) => row - firstRow),
    codes: rejected.codes.slice(from, to),
    messages: rejected.messages.slice(from, to),
  }
}

function ofBatch(batch: RecordBatch, rejected: Rejected, cause: DeadLetterCause): RecordBatch {
  const rows = rejected.rows.length
  const runs = runsOf(rejected.rows)
  const label = (value: string) => constantColumn(new Utf8(), Buffer.from(value), rows)
  const record = recordSchema.fields.map((field) => {
    const column = recordColumn(batch, field)
    return column === null ? nullColumn(field.type, rows) : takeColumn(column, runs)
  })
  const causes = [
    label(cause.pipeline),
    label(cause.step),
    textColumn(new Utf8(), rejected.codes),
    textColumn(new Utf8(), rejected.messages),
  ]
  return batchOf(deadLetterSchema.fields, [...causes, ...record], rows)
}

/** The batch's own column of that name; bytes that a step has turned into text still count as bytes. */
function recordColumn(batch: RecordBatch, field: Field): Data | null {
  const index = batch.schema.fields.findIndex(({ name }) => name === field.name)
  const column = batch.data.children[index]
  if (column === undefined) return null
  if (sameType(column.type, field.type)) return column
  const isText = ArrowType.isUtf8(column.type) && ArrowType.isBinary(field.type)
  return isText ? column.clone(field.type, column.offset, column.length, column.nullCount, column.buffers) : null
}

/** Names inside lists and nullability aside. */
function sameType(left: ArrowType, right: ArrowType): boolean {
  if (left.typeId !== right.typeId || (left.children?.length ?? 0) !== (right.children?.length ?? 0)) return false
  return (
    (left.children ?? []).every((child, i) => sameType(child.type, right.children![i]!.type)) &&
    (left.children?.length ? true : left.toString() === right.toString())
  )
}
