/** The statements of a stage, or of a part of it: rows that are shared, violations, a Parquet file for each output. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import type { Ids, StageOutput, StageRun } from '../../engine/contracts.ts'
import { type Connection, identifier } from '../../engine/duckdb.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import { deadLetterColumns } from '../../engine/record.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'
import { type Compilation, compile, compileDeadLetters, keepStatement, keptName } from './compile.ts'
import type { Plan, StepPlan } from './plan.ts'
import { anyRejected, judgesAll } from './rejections.ts'
import type { StagePlan } from './stage-plan.ts'
import { countNulled, countViolations, refuseFailed } from './violations.ts'

/** What the statements of a stage run on. */
export interface StageContext {
  readonly run: StageRun
  readonly connection: Connection
  readonly ids: Ids
}

/** What is to be computed of a stage. */
export interface StageWork {
  readonly plan: StagePlan
  readonly outputs: readonly StageOutput[]
  /** Further plans whose rows are wanted. */
  readonly kept?: readonly Plan[]
  /** Violations are only counted: there are more rows to come. */
  readonly isPart?: true
}

/** Files by output, one at most; and by plan, of those that were to be kept. */
export interface StageFiles {
  readonly outputs: ReadonlyMap<string, ParquetFile>
  readonly kept: ReadonlyMap<Plan, ParquetFile>
  readonly violations: ReadonlyMap<string, number>
}

/** Runs the statements. Tables of shared rows are gone afterwards. */
export async function runWork(context: StageContext, work: StageWork, given: Compilation): Promise<StageFiles> {
  const { connection, run } = context
  const { tables, names } = await keepShared(connection, work.plan.shared, given)
  const compilation = { relations: given.relations, tables }
  const violations = await countViolations(work.plan, connection, compilation)
  if (work.isPart !== true) await refuseFailed(run, work.plan, violations, { connection, relations: given.relations })
  const kept = new Map<Plan, ParquetFile>()
  for (const plan of work.kept ?? []) {
    const file = await writeFile(context, compile(plan, compilation), plan.columns)
    if (file !== null) kept.set(plan, file)
  }
  const outputs = await writeOutputs(context, work, compilation)
  const nulled = await countNulled(work.plan, connection, compilation)
  for (const name of names) await connection.run(`DROP TABLE ${identifier(name)}`)
  return { outputs, kept, violations: new Map([...violations, ...nulled]) }
}

/** Rows that several read are computed once. */
async function keepShared(connection: Connection, shared: readonly Plan[], { relations, tables: given }: Compilation) {
  const tables = new Map(given)
  const names: string[] = []
  for (const plan of shared) {
    const name = keptName(tables)
    await connection.run(keepStatement(plan, { relations, tables }))
    tables.set(plan, name)
    names.push(name)
  }
  return { tables, names }
}

/** Dead letters last: by then it is known of most steps whether there are any. */
async function writeOutputs(
  context: StageContext,
  { plan, outputs, kept = [] }: StageWork,
  compilation: Compilation,
): Promise<ReadonlyMap<string, ParquetFile>> {
  const written = new Map<string, ParquetFile>()
  const computed = [...plan.shared, ...kept]
  for (const output of outputs.toSorted((a, b) => Number(isRejected(a)) - Number(isRejected(b)))) {
    const step = plan.steps.get(output.step) ?? null
    const query = outputQuery(context.run, output, step, compilation)
    if (step === null || query === null) continue
    if (!isRejected(output)) computed.push(step.valid)
    else if (judgesAll(computed, step) && !(await anyRejected(context.connection))) continue
    const file = await writeFile(context, query, isRejected(output) ? deadLetterColumns : step.valid.columns)
    if (file !== null) written.set(isRejected(output) ? `${output.step}.rejected` : output.step, file)
  }
  return written
}

function isRejected({ fork }: StageOutput): boolean {
  return fork === 'rejected'
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

/** Null where the query has no rows. */
async function writeFile(
  { run, connection, ids }: StageContext,
  query: string,
  columns: readonly Column[],
): Promise<ParquetFile | null> {
  const path = join(run.stagingDir, `${ids.uuid()}.parquet`)
  const file = await copyToParquet(connection, query, path, { columns })
  if (file.rows === 0) {
    await rm(path, { force: true })
    return null
  }
  faultPoint('file-written')
  return file
}
