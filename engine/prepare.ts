/** Before a batch is committed: sinks whose stores refuse rows for their content find them, and they join the dead letters. */
import { join } from 'node:path'
import { Binary, Utf8 } from 'apache-arrow'
import { batchOf, bytesColumn, constantColumn, nullColumn, tableOf, textColumn } from './batch/arrow.ts'
import type { BatchSink } from './commit.ts'
import type { RefusedRow, SinkCommit } from './contracts.ts'
import { deadLetterSchema } from './dead-letter.ts'
import { MillraceError } from './errors.ts'
import type { PipelineEvent } from './events.ts'
import type { ParquetFile } from './schema.ts'

/** A sink of a batch, and whether it takes the dead letters. */
export interface PreparedSink extends BatchSink {
  readonly holdsDeadLetters: boolean
}

/** What preparing needs beside the batch. */
export interface PrepareOptions {
  readonly hasDeadLetters: boolean
  /** An existing folder. */
  readonly stagingDir: string
  readonly emit: (event: PipelineEvent) => void
}

/** Code of a dead letter that a store refused. */
export const refusedCode = 'STORE_REFUSED'

/**
 * Prepares every sink that wants it, and gives the sinks back with the refused rows among the dead letters' outputs. Where a batch is
 * replayed without its dead letters they are only told (`refused`). `SINK_FAILED` where rows are refused and the pipeline has no dead letters.
 */
export async function prepareSinks<Target extends PreparedSink>(
  sinks: readonly Target[],
  commit: Omit<SinkCommit, 'outputs' | 'columns'>,
  { hasDeadLetters, stagingDir, emit }: PrepareOptions,
): Promise<Target[]> {
  const files: ParquetFile[] = []
  const setAside = sinks.some(({ holdsDeadLetters }) => holdsDeadLetters)
  for (const { sink, outputs, columns } of sinks) {
    const refused = (await sink.prepare?.({ ...commit, outputs, columns })) ?? []
    if (refused.length === 0) continue
    if (!hasDeadLetters) throw refusal(sink.name, refused)
    const [{ message, row }] = refused as [RefusedRow]
    const about = { sink: sink.name, rows: refused.length, message, row: shortened(row), setAside }
    emit({ type: 'refused', pipeline: commit.pipeline, ...about })
    if (!setAside) continue
    const path = join(stagingDir, `refused-${files.length}.parquet`)
    files.push(await writeRefused(refused, { pipeline: commit.pipeline, step: sink.name, path }))
  }
  if (files.length === 0) return [...sinks]
  return sinks.map((target) =>
    target.holdsDeadLetters
      ? { ...target, outputs: new Map([['rows', [...(target.outputs.get('rows') ?? []), ...files]]]) }
      : target,
  )
}

function refusal(sink: string, refused: readonly RefusedRow[]): MillraceError {
  const [first] = refused
  return new MillraceError(
    'SINK_FAILED',
    `${sink} refuses ${refused.length === 1 ? 'a row' : `${refused.length} rows`}: ${first!.message}: ${shortened(first!.row)} (give the pipeline deadLetters to set such rows aside, or change the step before)`,
    { context: { sink, input: first!.input, rows: refused.length } },
  )
}

function shortened(row: string): string {
  return row.length <= 120 ? row : `${row.slice(0, 119)}…`
}

/** Rows of tables have no topic, partition and offset: those are null, and the value is the row as JSON. */
async function writeRefused(
  refused: readonly RefusedRow[],
  { pipeline, step, path }: { readonly pipeline: string; readonly step: string; readonly path: string },
): Promise<ParquetFile> {
  const { writeParquet } = await import('./batch/parquet.ts') // WASM: loaded by the few batches that need it
  const rows = refused.length
  const label = (value: string) => constantColumn(new Utf8(), Buffer.from(value), rows)
  const given = new Map([
    ['pipeline', label(pipeline)],
    ['step', label(step)],
    ['code', label(refusedCode)],
    [
      'message',
      textColumn(
        new Utf8(),
        refused.map(({ message }) => message),
      ),
    ],
    ['value', bytesColumn(refused.map(({ row }) => Buffer.from(row))).clone(new Binary())],
  ])
  const columns = deadLetterSchema.fields.map((field) => given.get(field.name) ?? nullColumn(field.type, rows))
  return writeParquet([tableOf([batchOf(deadLetterSchema.fields, columns, rows)])], path)
}
