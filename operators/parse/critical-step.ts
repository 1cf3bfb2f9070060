/** Runs `parse-critical` on Arrow tables of records. */
import { Field as ArrowField, type Table as ArrowTable, type RecordBatch } from 'apache-arrow'
import { appendColumns, complement, runsOf, tableOf, takeBatch } from '../../engine/batch/arrow.ts'
import { arrowType } from '../../engine/batch/arrow-types.ts'
import type { Step } from '../../engine/contracts.ts'
import type { Rejected } from '../../engine/dead-letter.ts'
import type { PrimitiveType } from '../../engine/schema.ts'
import type { ColumnsStep } from '../columns/step.ts'
import { readDocument, type Target } from './critical-document.ts'
import type { FieldType, NamedField } from './fields.ts'
import { compilePaths, type Paths } from './paths.ts'
import { openReader } from './readers.ts'
import { recordsOf } from './records.ts'
import { createScan, type Scan } from './scan.ts'
import { readTombstone } from './tombstone.ts'

/** Makes a `parse-critical` step runnable. */
export function criticalStep(step: Step): ColumnsStep {
  const fields = step.options.fields as unknown as readonly NamedField[]
  const paths = compilePaths(fields.map(({ path }) => path))
  const scan = createScan(paths.root, paths.slots)
  return {
    async process(table: ArrowTable) {
      const rejected: Rejections = { rows: [], codes: [], messages: [] }
      let firstRow = 0
      const batches = table.batches.map((batch) => {
        const parsed = parseBatch({ step, fields, paths, scan, rejected, firstRow }, batch)
        firstRow += batch.numRows
        return parsed
      })
      return { valid: tableOf(batches), rejected: rejected.rows.length === 0 ? null : rejected }
    },
  }
}

interface Rejections extends Rejected {
  readonly rows: number[]
  readonly codes: string[]
  readonly messages: string[]
}

interface Parsing {
  readonly step: Step
  readonly fields: readonly NamedField[]
  readonly paths: Paths
  readonly scan: Scan
  readonly rejected: Rejections
  /** Number of the batch's first row in its table. */
  readonly firstRow: number
}

function parseBatch(parsing: Parsing, batch: RecordBatch): RecordBatch {
  const { fields, rejected, firstRow } = parsing
  const readers = fields.map((field) => openReader(field, batch.numRows))
  const target: Target = { ...parsing, readers }
  const records = recordsOf(
    batch,
    parsing.step.id,
    fields.map(({ name }) => name),
  )
  const before = rejected.rows.length
  let row = 0 // in the columns written: a rejected record's row is written again by the next
  for (let record = 0; record < batch.numRows; record++) {
    const failure = records.isTombstone(record)
      ? readTombstone(target, records, record, row)
      : readDocument(target, records, record, row)
    if (failure === null) row++
    else {
      rejected.rows.push(firstRow + record)
      rejected.codes.push(failure.code)
      rejected.messages.push(failure.message)
    }
  }
  const out = rejected.rows.slice(before).map((rejectedRow) => rejectedRow - firstRow)
  const kept = out.length === 0 ? batch : takeBatch(batch, complement(runsOf(out), batch.numRows))
  return appendColumns(
    kept,
    fields.map((field) => new ArrowField(field.name, arrowType(columnTypes[field.type]), true)),
    readers.map((reader) => reader.finish(row)),
  )
}

const columnTypes: Readonly<Record<FieldType, PrimitiveType>> = {
  int64: 'long',
  text: 'string',
  'one-of': 'string',
  timestamp: 'timestamp',
  float64: 'double',
  boolean: 'boolean',
}
