/** The Parquet files that a task writes: one per output, opened by its first rows. */
import { join } from 'node:path'
import type { Table as ArrowTable } from 'apache-arrow'
import { columnsOf } from '../../engine/batch/arrow-types.ts'
import { openParquetWriter, type ParquetWriter } from '../../engine/batch/parquet.ts'
import type { Ids } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { type Column, formatType, type ParquetFile } from '../../engine/schema.ts'

/** Parquet files of a stage, opened when they get their first rows. */
export interface Outputs {
  write(output: string, table: ArrowTable): Promise<void>
  /** Files per output; none for an output without rows. */
  finish(): Promise<Map<string, readonly ParquetFile[]>>
  /** Columns of every output that was written to, if only with a table without rows. */
  columns(): ReadonlyMap<string, readonly Column[]>
  /** Removes what was written, finished files too. */
  abort(): Promise<void>
}

interface Open {
  readonly writer: ParquetWriter
  readonly schema: string
}

/** Files get unique names in `dir`, which exists. */
export function openOutputs(dir: string, ids: Ids): Outputs {
  const open = new Map<string, Open>()
  const seen = new Map<string, readonly Column[]>()
  return {
    async write(output, table) {
      const columns = columnsOf(table.schema)
      seen.set(output, columns)
      if (table.numRows === 0) return
      const schema = describe(columns)
      const opened = open.get(output) ?? {
        writer: await openParquetWriter(join(dir, `${ids.uuid()}.parquet`), table.schema),
        schema,
      }
      open.set(output, opened)
      if (opened.schema !== schema) throw columnsChanged(output, opened.schema, schema)
      await opened.writer.write(table)
    },
    columns: () => seen,
    async finish() {
      const files = new Map<string, readonly ParquetFile[]>()
      for (const [output, { writer }] of open) files.set(output, [await writer.close()])
      return files
    },
    async abort() {
      for (const { writer } of open.values()) await writer.abort()
    },
  }
}

function describe(columns: readonly Column[]): string {
  return columns.map(({ name, type }) => `${name} ${formatType(type)}`).join(', ')
}

function columnsChanged(output: string, before: string, after: string): MillraceError {
  return new MillraceError(
    'STEP_FAILED',
    `step ${output} changed its columns within a batch: first ${before}, then ${after} (return the same columns for every table)`,
  )
}
