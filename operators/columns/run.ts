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
import type { Embedder } from '../../engine/embedder.ts'
import { MillraceError } from '../../engine/errors.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import type { TaskProgress } from '../../engine/workers/progress.ts'
import type { WorkerTask } from '../../engine/workers/task.ts'
import { type Chain, type ChainContext, openChain } from './chain.ts'
import { type Embedding, openEmbedding } from './embedding.ts'
import { type Outputs, openOutputs } from './outputs.ts'
import { readRanges } from './records-input.ts'
import { readFiles } from './table-input.ts'

/** What a worker opens readers with. */
export interface ColumnsRuntime {
  /** `identity`: what the ranges to be read were planned on. */
  openReader(source: SourceDescription, identity: Position): Promise<RecordReader>
  /** An embedder by the name that a definition gives. */
  openEmbedder?(name: string): Promise<Embedder>
  readonly clock?: Clock
  readonly ids?: Ids
}

/**
 * Runs a columns stage, or a part of one, on this thread: one Parquet file per output that has rows. A stage without
 * steps writes its inputs as they come. Nothing is left behind when it throws.
 */
export async function runColumns(
  task: WorkerTask,
  runtime: ColumnsRuntime,
  signal: AbortSignal,
  onProgress: (progress: TaskProgress) => void = () => {},
): Promise<StageResult> {
  const outputs = openOutputs(task.stagingDir, runtime.ids ?? systemIds)
  const embedding = openEmbedding(runtime.clock ?? systemClock, onProgress)
  try {
    const { pipeline } = task
    const openEmbedder: ChainContext['openEmbedder'] = (name) => (runtime.openEmbedder ?? noEmbedder)(name)
    const context = { pipeline, openEmbedder, onEmbedded: embedding.add, signal }
    const chain = await openChain(task.stage, outputs, context)
    return await runInputs(task, { runtime, outputs, chain, embedding, signal })
  } catch (error) {
    await outputs.abort()
    throw error
  }
}

async function noEmbedder(name: string): Promise<Embedder> {
  throw new MillraceError('DEFINITION_INVALID', `embedder not found: ${name} (there are none here)`)
}

interface Running {
  readonly runtime: ColumnsRuntime
  readonly outputs: Outputs
  readonly chain: Chain
  readonly embedding: Embedding
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
  const columns = running.outputs.columns()
  return { outputs, columns, ranges, rowsIn, bytesIn, violations: new Map(), ...running.embedding.counts() }
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
