/** One task of a columns stage: reads, runs the steps, writes Parquet. What leaves it is small: files and counts. */

import { emptyBatch, tableOf } from '../../engine/batch/arrow.ts'
import { recordSchema } from '../../engine/batch/record-columns.ts'
import { systemClock, systemIds } from '../../engine/clock.ts'
import type {
  Clock,
  Ids,
  Position,
  Range,
  RecordReader,
  SourceDescription,
  StageResult,
} from '../../engine/contracts.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import type { WorkerTask } from '../../engine/workers/task.ts'
import { type Chain, openChain } from './chain.ts'
import { type Outputs, openOutputs } from './outputs.ts'
import { readRanges } from './records-input.ts'
import { readFiles } from './table-input.ts'

/** What a worker opens readers with. */
export interface ColumnsRuntime {
  /** `identity`: what the ranges to be read were planned on. */
  openReader(source: SourceDescription, identity: Position): Promise<RecordReader>
  readonly clock?: Clock
  readonly ids?: Ids
}

/**
 * Runs a columns stage, or a part of one, on this thread: one Parquet file per output that has rows. A stage without
 * steps writes its inputs as they come. Nothing is left behind when it throws.
 */
export async function runColumns(task: WorkerTask, runtime: ColumnsRuntime, signal: AbortSignal): Promise<StageResult> {
  const outputs = openOutputs(task.stagingDir, runtime.ids ?? systemIds)
  try {
    const chain = await openChain(task.pipeline, task.stage, outputs)
    return await runInputs(task, { runtime, outputs, chain, signal })
  } catch (error) {
    await outputs.abort()
    throw error
  }
}

interface Running {
  readonly runtime: ColumnsRuntime
  readonly outputs: Outputs
  readonly chain: Chain
  readonly signal: AbortSignal
}

async function runInputs(task: WorkerTask, running: Running): Promise<StageResult> {
  const ranges: Range[] = []
  let rowsIn = 0
  let bytesIn = 0
  const chain = passingFirst(running.chain)
  for (const [id, input] of task.inputs) {
    if (input.kind === 'records') {
      const { runtime, signal } = running
      const bounds = { limits: task.limits, clock: runtime.clock ?? systemClock, signal }
      const reader = await runtime.openReader(input.source, input.identity ?? new Map())
      try {
        const read = await readRanges(reader, input.ranges, bounds, (table) => chain(id, table))
        if (read.rows === 0) await running.chain(id, noRecords) // tables may have to be made for nothing yet
        ranges.push(...read.ranges)
        rowsIn += read.rows
        bytesIn += read.bytes
      } finally {
        await reader.close()
      }
    } else
      for await (const table of readFiles(input)) {
        running.signal.throwIfAborted()
        rowsIn += table.numRows
        bytesIn += table.batches.reduce((sum, batch) => sum + batch.data.byteLength, 0)
        await chain(id, table)
      }
  }
  const outputs = await running.outputs.finish()
  return { outputs, columns: running.outputs.columns(), ranges, rowsIn, bytesIn, violations: new Map() }
}

const noRecords = tableOf([emptyBatch(recordSchema.fields)])

/** Passes `worker-read` when the first rows have been read, before anything is written. */
function passingFirst(chain: Chain): Chain {
  let first = true
  return (input, table) => {
    if (first) faultPoint('worker-read')
    first = false
    return chain(input, table)
  }
}
