/** Runs a relational stage in DuckDB: Parquet files in, one statement and one Parquet file per output and part. */
import { stat } from 'node:fs/promises'
import type { Executor, Ids, StageInput, StageResult, StageRun } from '../../engine/contracts.ts'
import type { Connection, Duckdb } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Column } from '../../engine/schema.ts'
import { judging } from '../parse/judging.ts'
import { type Budget, budgetOf, neededBytes, smallerBudget } from './budget.ts'
import { columnsRead } from './columns-read.ts'
import { describer } from './compile.ts'
import { isOutOfMemory, stageFailure } from './failure.ts'
import { openRejections } from './rejections.ts'
import { runInParts } from './run-parts.ts'
import { type InputRelation, inputRelation } from './scan.ts'
import { type Segment, totalOf, widestVector } from './segments.ts'
import { planStage, type StagePlan } from './stage-plan.ts'
import { runWork } from './stage-run.ts'
import { type StoredRows, segmentsOf } from './stored-rows.ts'

export interface RelationalExecutorOptions {
  /** Opens the process's database when the first stage runs. */
  readonly duckdb: () => Promise<Duckdb>
  readonly ids: Ids
  /** How much is read at once; by default what fits into the database's memory. */
  readonly budget?: Budget
}

/**
 * The executor of relational stages. Every output with rows becomes a new file of the staging directory, or several where the stage
 * reads more than fits into memory; a stage that runs out of it is run again in smaller parts. An abort is
 * seen between statements. `STEP_FAILED` with DuckDB's words where a statement fails; `RECORDS_FAILED_EXPECTATION`
 * before anything is written.
 */
export function relationalExecutor(options: RelationalExecutorOptions): Executor {
  return {
    async run(run) {
      const duckdb = await options.duckdb()
      await duckdb.define(judging())
      const attempt = (budget: Budget) =>
        duckdb.withConnection((connection) => runStage(run, guarded(connection, run), { ...options, duckdb, budget }))
      for (let budget = options.budget ?? budgetOf(duckdb.memoryLimitBytes); ; ) {
        try {
          return await attempt(budget)
        } catch (error) {
          const smaller = isOutOfMemory(error) ? smallerBudget(budget) : null
          if (smaller === null) throw error
          budget = smaller
        }
      }
    },
    async close() {
      // The database belongs to the process.
    },
  }
}

async function runStage(run: StageRun, connection: Connection, options: Given): Promise<StageResult> {
  await openRejections(connection)
  const inputs = new Map<string, InputRelation>()
  for (const [id, input] of run.inputs) inputs.set(id, await inputRelation(connection, input))
  const relations = new Map([...inputs].map(([id, { query }]) => [id, query]))
  const plan = await planChecked(run, connection, inputs, relations)
  const stored = await storedInputs(connection, inputs, plan)
  const read = await amountRead(run.inputs, stored)
  const columns = columnsOfOutputs(run, plan)
  if ([...inputs.values()].every(({ files }) => files.length === 0))
    return { outputs: new Map(), columns, ranges: [], ...read, violations: new Map() }
  const context = { run, connection, ids: options.ids }
  const { budget, duckdb } = options
  const segments = [...stored.values()].flatMap((input) => input.segments)
  if (!fits(segments, budget)) {
    const inParts = { ...context, plan, inputs: stored, budget }
    const made = await duckdb.reserve(duckdb.memoryLimitBytes, () => runInParts(inParts))
    return { ...made, columns, ranges: [], ...read }
  }
  const work = { plan, outputs: run.stage.outputs }
  const { outputs, violations } = await duckdb.reserve(neededBytes(segments), () =>
    runWork(context, work, { relations, tables: new Map() }),
  )
  return {
    outputs: new Map([...outputs].map(([name, file]) => [name, [file]])),
    columns,
    ranges: [],
    ...read,
    violations,
  }
}

interface Given {
  readonly duckdb: Duckdb
  readonly budget: Budget
  readonly ids: Ids
}

async function storedInputs(
  connection: Connection,
  inputs: ReadonlyMap<string, InputRelation>,
  { steps }: StagePlan,
): Promise<ReadonlyMap<string, StoredRows>> {
  const plans = [...steps.values()].flatMap((step) =>
    step === null ? [] : [step.valid, ...(step.violations ? [step.violations.plan] : [])],
  )
  const read = columnsRead(plans)
  const stored = new Map<string, StoredRows>()
  for (const [id, relation] of inputs)
    stored.set(id, { relation, segments: await segmentsOf(connection, relation.files, [...(read.get(id) ?? [])]) })
  return stored
}

function fits(segments: readonly Segment[], { wholeBytes, vectorBytes }: Budget): boolean {
  return totalOf(segments).bytes <= wholeBytes && widestVector(segments) <= vectorBytes
}

function columnsOfOutputs(run: StageRun, plan: StagePlan): ReadonlyMap<string, readonly Column[]> {
  const columns = new Map<string, readonly Column[]>()
  for (const { step, fork } of run.stage.outputs) {
    const known = plan.steps.get(step)?.valid.columns
    if (fork === 'valid' && known !== undefined) columns.set(step, known)
  }
  return columns
}

/** Every statement is preceded by a look at the signal, and its failure told as the stage's. */
function guarded(connection: Connection, run: StageRun): Connection {
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    run.signal.throwIfAborted()
    try {
      return await work()
    } catch (error) {
      throw stageFailure(error, run)
    }
  }
  return {
    run: (sql) => guard(() => connection.run(sql)),
    rows: (sql) => guard(() => connection.rows(sql)),
    chunks: (sql) => connection.chunks(sql),
    keyedVectors: (sql, parameters) => connection.keyedVectors(sql, parameters),
    select: (sql, values) => guard(() => connection.select(sql, values)),
    describe: (query) => guard(() => connection.describe(query)),
  }
}

async function planChecked(
  run: StageRun,
  connection: Connection,
  inputs: ReadonlyMap<string, InputRelation>,
  relations: ReadonlyMap<string, string>,
): Promise<StagePlan> {
  const columns = new Map([...inputs].map(([id, relation]) => [id, relation.columns]))
  const plan = await planStage(run.stage, columns, describer(connection, relations))
  if (plan.problems.length === 0) return plan
  throw new MillraceError(
    'STEP_FAILED',
    `pipeline ${run.pipeline}, stage ${run.stage.id}: the steps do not fit the columns that they read\n${plan.problems.map((line) => `  ${line}`).join('\n')}`,
    { problems: plan.problems, context: { pipeline: run.pipeline, stage: run.stage.id } },
  )
}

/** A file's bytes count as they lie there. */
async function amountRead(
  inputs: ReadonlyMap<string, StageInput>,
  stored: ReadonlyMap<string, StoredRows>,
): Promise<{ readonly rowsIn: number; readonly bytesIn: number }> {
  let rowsIn = 0
  let bytesIn = 0
  for (const [id, input] of inputs) {
    rowsIn += totalOf(stored.get(id)!.segments).rows
    if (input.kind === 'files') for (const file of input.files) bytesIn += file.sizeBytes
    if (input.kind === 'table') for (const { path } of input.table.files) bytesIn += (await stat(path)).size
  }
  return { rowsIn, bytesIn }
}
