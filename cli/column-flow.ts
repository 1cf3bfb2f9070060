/** Which columns come out of every step of a pipeline, found without data. */

import { emptyBatch, tableOf } from '../engine/batch/arrow.ts'
import { arrowField, columnsOf } from '../engine/batch/arrow-types.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import type { SourceDescription, Stage, Step } from '../engine/contracts.ts'
import type { Duckdb } from '../engine/duckdb.ts'
import { MillraceError, messageOf } from '../engine/errors.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import { deadLetterColumns, recordColumns } from '../engine/record.ts'
import type { Column } from '../engine/schema.ts'
import { planStages } from '../engine/stages.ts'
import { columnsOperators } from '../operators/columns/registry.ts'
import type { StepContext } from '../operators/columns/step.ts'
import { localSettings, openEmbedder } from '../operators/embedders/registry.ts'
import { checkStage } from '../operators/index.ts'

/** Columns that a table source gives, or null for a table that nobody knows. */
export type TableColumns = (source: SourceDescription) => Promise<readonly Column[] | null>

/** Columns at every point of a pipeline, and every problem on the way. */
export interface ColumnFlow {
  /** By the name of a source, the id of a step, or `<step>.rejected`; what a problem keeps unknown is left out. */
  readonly columns: ReadonlyMap<string, readonly Column[]>
  readonly problems: readonly string[]
}

interface Flow {
  readonly pipeline: Pipeline
  readonly duckdb: Duckdb
  readonly columns: Map<string, readonly Column[]>
  readonly problems: string[]
}

/** Follows the columns from the sources through all stages. A step after a problem is not judged. */
export async function followColumns(
  pipeline: Pipeline,
  duckdb: Duckdb,
  tableColumns: TableColumns,
): Promise<ColumnFlow> {
  const flow: Flow = { pipeline, duckdb, columns: new Map(), problems: [] }
  for (const [name, source] of Object.entries(pipeline.sources)) {
    const columns = source.shape === 'records' ? recordColumns : await tableColumns(source)
    if (columns !== null) flow.columns.set(name, columns)
    else
      flow.problems.push(
        `source ${name}: table ${source.options.table} does not exist and no pipeline here writes it (name the pipeline that does, or run it first)`,
      )
  }
  for (const stage of planStages(pipeline)) {
    const inputs = new Map([...flow.columns].filter(([id]) => stage.inputs.includes(id)))
    if (inputs.size < stage.inputs.length) continue
    if (stage.executor === 'relational') await followRelational(flow, stage, inputs)
    else for (const step of stage.steps) await followStep(flow, step)
  }
  return flow
}

async function followRelational(
  flow: Flow,
  stage: Stage,
  inputs: ReadonlyMap<string, readonly Column[]>,
): Promise<void> {
  const { outputs, problems } = await checkStage(flow.duckdb, stage, inputs)
  flow.problems.push(...problems)
  for (const [name, columns] of outputs) flow.columns.set(name, columns)
}

/** Embedders give columns of one type, whichever is configured: none has to be opened to tell. */
function withoutData(pipeline: string): StepContext {
  const context = { clock: systemClock, ids: systemIds }
  return {
    pipeline,
    openEmbedder: (name) => openEmbedder(name, localSettings, context),
    onEmbedded: () => {},
    signal: new AbortController().signal,
  }
}

/** The step itself says what comes out: it is given a table without rows. */
async function followStep(flow: Flow, step: Step): Promise<void> {
  const columns = flow.columns.get(step.from?.[0] ?? '')
  if (columns === undefined) return
  try {
    const open = Object.hasOwn(columnsOperators, step.kind) ? columnsOperators[step.kind] : undefined
    if (open === undefined)
      throw new MillraceError('DEFINITION_INVALID', `step ${step.id}: is of no kind that runs on columns: ${step.kind}`)
    const running = await open(step, withoutData(flow.pipeline.name))
    const empty = tableOf([emptyBatch(columns.map((column) => arrowField(column)))])
    flow.columns.set(step.id, columnsOf((await running.process(empty)).valid.schema))
    if (step.rejects) flow.columns.set(`${step.id}.rejected`, deadLetterColumns)
  } catch (error) {
    const message = messageOf(error)
    flow.problems.push(message.startsWith(`step ${step.id}`) ? message : `step ${step.id}: ${message}`)
  }
}
