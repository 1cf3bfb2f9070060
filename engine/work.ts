/** Runs the stages of one batch, in order: ranges in, Parquet files per step out. */
import type { Position, Range, Source, Stage, StageInput, StageResult, StageRun } from './contracts.ts'
import type { EmbeddingCounts } from './embedder.ts'
import { faultPoint } from './fault-points.ts'
import { rejectedSuffix } from './graph.ts'
import type { Pipeline } from './pipeline.ts'
import type { Runtime } from './runtime.ts'
import type { Column, ParquetFile } from './schema.ts'

/** All that the stages of one batch need. */
export interface BatchWork {
  readonly pipeline: Pipeline
  readonly stages: readonly Stage[]
  readonly sources: ReadonlyMap<string, Source>
  /** What the ranges were planned on. */
  readonly identity: Position
  /** Planned ranges, by source. */
  readonly ranges: ReadonlyMap<string, readonly Range[]>
  readonly stagingDir: string
  readonly signal: AbortSignal
  /** See {@link StageRun.onProgress}. */
  readonly onProgress: NonNullable<StageRun['onProgress']>
}

/** What the stages made; nothing of it is committed. */
export interface WorkResult {
  /** Ranges really read: a record source may stop before the planned end when a batch is full or old enough. */
  readonly ranges: readonly Range[]
  /** By `step` or `step.rejected`. */
  readonly outputs: ReadonlyMap<string, readonly ParquetFile[]>
  /** By the same names, where they are known without rows. */
  readonly columns: ReadonlyMap<string, readonly Column[]>
  readonly rowsIn: number
  readonly bytesIn: number
  readonly violations: number
  readonly embedded: EmbeddingCounts
}

/** Runs the stages in turn, each on the sources and the outputs of those before it. */
export async function runStages(work: BatchWork, runtime: Runtime): Promise<WorkResult> {
  const outputs = new Map<string, readonly ParquetFile[]>()
  const columns = new Map<string, readonly Column[]>()
  const ranges: Range[] = []
  let rowsIn = 0
  let bytesIn = 0
  let violations = 0
  let embedded: EmbeddingCounts = { computed: 0, cached: 0 }
  for (const stage of work.stages) {
    const inputs = await stageInputs(work, stage, { outputs, columns })
    const result = await runtime.executors[stage.executor].run({
      pipeline: work.pipeline.name,
      stage,
      inputs,
      stagingDir: work.stagingDir,
      limits: work.pipeline.limits,
      signal: work.signal,
      onProgress: work.onProgress,
    })
    for (const [name, files] of result.outputs) outputs.set(name, files)
    for (const [name, known] of result.columns) columns.set(name, known)
    ranges.push(...rangesOf(inputs, work, result))
    if (readsSource(inputs)) {
      rowsIn += result.rowsIn
      bytesIn += result.bytesIn
    }
    for (const count of result.violations.values()) violations += count
    embedded = addEmbedded(embedded, result.embedded)
    faultPoint('stage-done')
  }
  return { ranges, outputs, columns, rowsIn, bytesIn, violations, embedded }
}

function addEmbedded(sum: EmbeddingCounts, { computed, cached } = { computed: 0, cached: 0 }): EmbeddingCounts {
  return { computed: sum.computed + computed, cached: sum.cached + cached }
}

async function stageInputs(
  work: BatchWork,
  stage: Stage,
  { outputs, columns }: Pick<WorkResult, 'outputs' | 'columns'>,
): Promise<Map<string, StageInput>> {
  const inputs = new Map<string, StageInput>()
  for (const id of stage.inputs) {
    const source = work.sources.get(id)
    const ranges = work.ranges.get(id) ?? []
    const files = outputs.get(id)
    if (files !== undefined || source === undefined || columns.has(id))
      inputs.set(id, filesInput(files ?? [], columns.get(id)))
    else if (source.shape === 'records')
      inputs.set(id, { kind: 'records', source: work.pipeline.sources[id]!, ranges, identity: work.identity })
    else inputs.set(id, { kind: 'table', table: await tableInput(source, ranges, work.stagingDir) })
  }
  return inputs
}

function filesInput(files: readonly ParquetFile[], columns: readonly Column[] | undefined): StageInput {
  return { kind: 'files', files, ...(columns === undefined ? {} : { columns }) }
}

async function tableInput(source: Extract<Source, { shape: 'table' }>, ranges: readonly Range[], stagingDir: string) {
  const parts = []
  for (const range of ranges) parts.push(await source.files(range, stagingDir))
  return parts[0] ?? { columns: [], files: [] } // a table source has one partition, itself
}

/** A table is read exactly as planned; what was read of records, the executor says. */
function rangesOf(inputs: ReadonlyMap<string, StageInput>, work: BatchWork, result: StageResult): readonly Range[] {
  const ranges = [...result.ranges]
  for (const [id, input] of inputs) if (input.kind === 'table') ranges.push(...(work.ranges.get(id) ?? []))
  return ranges
}

function readsSource(inputs: ReadonlyMap<string, StageInput>): boolean {
  return [...inputs.values()].some((input) => input.kind !== 'files')
}

/** Columns of each input of one sink, where they are known without rows. */
export function columnsFor(
  pipeline: Pipeline,
  sinkIndex: number,
  columns: WorkResult['columns'],
): ReadonlyMap<string, readonly Column[]> {
  const inputs = Object.entries(pipeline.sinks[sinkIndex]!.inputs)
  return new Map(
    inputs.flatMap(([input, step]) => (columns.has(step ?? '') ? [[input, columns.get(step ?? '')!]] : [])),
  )
}

/** The files of a batch that belong to each input of one sink. */
export function outputsFor(
  pipeline: Pipeline,
  sinkIndex: number,
  outputs: WorkResult['outputs'],
): ReadonlyMap<string, readonly ParquetFile[]> {
  if (sinkIndex === pipeline.deadLetters) {
    const rejected = [...outputs].filter(([name]) => name.endsWith(rejectedSuffix)).flatMap(([, files]) => files)
    return new Map([['rows', rejected]])
  }
  const inputs = Object.entries(pipeline.sinks[sinkIndex]!.inputs)
  return new Map(inputs.map(([input, step]) => [input, outputs.get(step ?? '') ?? []]))
}
