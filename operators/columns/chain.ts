/** The steps of a columns stage, run one after another on each table that comes in. */
import type { Table as ArrowTable } from 'apache-arrow'
import type { Stage, Step } from '../../engine/contracts.ts'
import { deadLetters } from '../../engine/dead-letter.ts'
import { MillraceError, messageOf } from '../../engine/errors.ts'
import type { Outputs } from './outputs.ts'
import { columnsOperators } from './registry.ts'
import type { ColumnsResult, ColumnsStep, StepContext } from './step.ts'

/** Runs the rows of one input of the stage through its steps, into its outputs. */
export type Chain = (input: string, table: ArrowTable) => Promise<void>

/** What the steps of a stage are made runnable with. */
export type ChainContext = Omit<StepContext, 'onEmbedded'> & {
  onEmbedded(step: string, part: Parameters<StepContext['onEmbedded']>[0]): void
}

interface Link {
  readonly step: Step
  readonly from: string
  readonly run: ColumnsStep
}

/**
 * Makes the steps of a stage runnable. A step reads what its `from` names, else the step before it, else the stage's
 * input. Rows that an output names, valid or as dead letters, go to `outputs`.
 */
export async function openChain(stage: Stage, outputs: Outputs, context: ChainContext): Promise<Chain> {
  const { pipeline } = context
  const wanted = new Set(stage.outputs.map(({ step, fork }) => (fork === 'valid' ? step : `${step}.rejected`)))
  const links: Link[] = []
  let before = stage.inputs[0] ?? ''
  for (const step of stage.steps) {
    links.push({ step, from: step.from?.[0] ?? before, run: await openStep(step, context) })
    before = step.id
  }
  return async (input, table) => {
    const tables = new Map([[input, table]])
    if (wanted.has(input)) await outputs.write(input, table)
    for (const { step, from, run } of links) {
      const rows = tables.get(from)
      if (rows === undefined || (rows.numRows === 0 && !tellsColumns(step, table))) continue
      const { valid, rejected } = await runStep(pipeline, step, run, rows)
      tables.set(step.id, valid)
      if (wanted.has(step.id)) await outputs.write(step.id, valid)
      if (rejected === null) continue
      if (!wanted.has(`${step.id}.rejected`)) throw nowhere(pipeline, step, rejected.rows.length)
      await outputs.write(`${step.id}.rejected`, deadLetters(rows, rejected, { pipeline, step: step.id }))
    }
  }
}

/** Given nothing at all, our own steps say which columns they make; an author's code is not asked to work on nothing. */
function tellsColumns({ kind }: Step, input: ArrowTable): boolean {
  return input.numRows === 0 && kind !== 'map-batches'
}

async function openStep(step: Step, context: ChainContext): Promise<ColumnsStep> {
  const { pipeline } = context
  const operator = columnsOperators[step.kind]
  const onEmbedded: StepContext['onEmbedded'] = (part) => context.onEmbedded(step.id, part)
  if (operator !== undefined) return operator(step, { ...context, onEmbedded })
  throw new MillraceError(
    'DEFINITION_INVALID',
    `step ${step.id} of pipeline ${pipeline} is of no kind that runs on columns: ${step.kind}`,
  )
}

async function runStep(pipeline: string, step: Step, run: ColumnsStep, rows: ArrowTable): Promise<ColumnsResult> {
  try {
    return await run.process(rows)
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause
    const message = `step ${step.id} of pipeline ${pipeline} failed: ${messageOf(cause)}`
    throw new MillraceError('STEP_FAILED', message, { cause })
  }
}

function nowhere(pipeline: string, step: Step, rows: number): MillraceError {
  return new MillraceError(
    'STEP_FAILED',
    `step ${step.id} of pipeline ${pipeline} rejected ${rows} rows, which have nowhere to go (add deadLetters)`,
  )
}
