/** Runs a relational stage in DuckDB: Parquet files in, one statement and one Parquet file per output. */
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import type { Executor, Ids, StageInput, StageOutput, StageResult, StageRun } from '../../engine/contracts.ts'
import type { Connection, Duckdb } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import { deadLetterColumns } from '../../engine/record.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'
import { type Compilation, compile, compileDeadLetters, describer, keepStatement, keptName } from './compile.ts'
import { stageFailure } from './failure.ts'
import type { Plan, StepPlan } from './plan.ts'
import { anyRejected, judgesAll, openRejections } from './rejections.ts'
import { exactPaths, type InputRelation, inputRelation } from './scan.ts'
import { planStage, type StagePlan } from './stage-plan.ts'
import { countViolations } from './violations.ts'

export interface RelationalExecutorOptions {
  /** Opens the process's database when the first stage runs. */
  readonly duckdb: () => Promise<Duckdb>
  readonly ids: Ids
}

/**
 * The executor of relational stages. Every output with rows becomes one new file of the staging directory. An abort is
 * seen between statements. `STEP_FAILED` with DuckDB's words where a statement fails; `RECORDS_FAILED_EXPECTATION`
 * before anything is written.
 */
export function relationalExecutor(options: RelationalExecutorOptions): Executor {
  return {
    async run(run) {
      const duckdb = await options.duckdb()
      return await duckdb.withConnection((connection) => runStage(run, guarded(connection, run), options.ids))
    },
    async close() {
      // The database belongs to the process.
    },
  }
}

async function runStage(run: StageRun, connection: Connection, ids: Ids): Promise<StageResult> {
  await openRejections(connection)
  const inputs = new Map<string, InputRelation>()
  for (const [id, input] of run.inputs) inputs.set(id, await inputRelation(connection, input))
  const read = await amountRead(connection, run.inputs)
  const relations = new Map([...inputs].map(([id, { query }]) => [id, query]))
  const plan = await planChecked(run, connection, inputs, relations)
  const columns = columnsOfOutputs(run, plan)
  if ([...inputs.values()].every(({ paths }) => paths.length === 0))
    return { outputs: new Map(), columns, ranges: [], ...read, violations: new Map() }
  const compilation = { relations, tables: await keepShared(connection, plan.shared, relations) }
  const violations = await countViolations(run, plan, connection, compilation)
  const outputs = await writeOutputs(run, plan, { connection, compilation, columns, ids })
  return { outputs, columns, ranges: [], ...read, violations }
}

interface Writing {
  readonly connection: Connection
  readonly compilation: Compilation
  readonly columns: ReadonlyMap<string, readonly Column[]>
  readonly ids: Ids
}

/** Dead letters last: by then it is known of most steps whether there are any. */
async function writeOutputs(run: StageRun, plan: StagePlan, writing: Writing): Promise<StageResult['outputs']> {
  const { connection, compilation, columns, ids } = writing
  const outputs = new Map<string, readonly ParquetFile[]>()
  const computed = [...plan.shared]
  for (const output of run.stage.outputs.toSorted((a, b) => Number(isRejected(a)) - Number(isRejected(b)))) {
    const step = plan.steps.get(output.step) ?? null
    const query = outputQuery(run, output, step, compilation)
    if (step === null || query === null) continue
    if (!isRejected(output)) computed.push(step.valid)
    else if (judgesAll(computed, step) && !(await anyRejected(connection))) continue
    const file = await writeOutput(connection, query, {
      path: join(run.stagingDir, `${ids.uuid()}.parquet`),
      columns: isRejected(output) ? deadLetterColumns : columns.get(output.step)!,
    })
    if (file !== null) outputs.set(isRejected(output) ? `${output.step}.rejected` : output.step, [file])
  }
  return outputs
}

function isRejected({ fork }: StageOutput): boolean {
  return fork === 'rejected'
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

/** Rows that several read are computed once. */
async function keepShared(
  connection: Connection,
  shared: readonly Plan[],
  relations: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<Plan, string>> {
  const tables = new Map<Plan, string>()
  for (const plan of shared) {
    await connection.run(keepStatement(plan, { relations, tables }))
    tables.set(plan, keptName(tables))
  }
  return tables
}

function outputQuery(
  run: StageRun,
  output: StageOutput,
  plan: StepPlan | null,
  compilation: Compilation,
): string | null {
  if (plan === null) return null
  if (output.fork === 'valid') return compile(plan.valid, compilation)
  if (plan.rejected === undefined) return null
  return compileDeadLetters(plan.rejected, { pipeline: run.pipeline, step: output.step }, compilation.relations)
}

async function writeOutput(
  connection: Connection,
  query: string,
  { path, columns }: { readonly path: string; readonly columns: readonly Column[] },
): Promise<ParquetFile | null> {
  const file = await copyToParquet(connection, query, path, { columns })
  if (file.rows === 0) {
    await rm(path, { force: true })
    return null
  }
  faultPoint('file-written')
  return file
}

async function amountRead(
  connection: Connection,
  inputs: ReadonlyMap<string, StageInput>,
): Promise<{ readonly rowsIn: number; readonly bytesIn: number }> {
  let rowsIn = 0
  let bytesIn = 0
  for (const input of inputs.values()) {
    if (input.kind === 'files')
      for (const file of input.files) {
        rowsIn += file.rows
        bytesIn += file.sizeBytes
      }
    if (input.kind !== 'table' || input.table.files.length === 0) continue
    const paths = input.table.files.map(({ path }) => path)
    for (const path of paths) bytesIn += (await stat(path)).size
    const [counted] = await connection.rows(
      `SELECT sum(num_rows) AS n FROM parquet_file_metadata(${exactPaths(paths)})`,
    )
    rowsIn += Number(counted?.n ?? 0)
  }
  return { rowsIn, bytesIn }
}
