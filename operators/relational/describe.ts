/** What a stage would do, told without data. */
import { describeColumns } from '../../engine/batch/duckdb-types.ts'
import type { Stage } from '../../engine/contracts.ts'
import type { Connection, Duckdb } from '../../engine/duckdb.ts'
import { messageOf } from '../../engine/errors.ts'
import type { Column } from '../../engine/schema.ts'
import { judging } from '../parse/judging.ts'
import { compile, compileDeadLetters, describer, keepStatement, keptName, type Relations } from './compile.ts'
import type { Plan } from './plan.ts'
import { openRejections } from './rejections.ts'
import { emptyRelation } from './scan.ts'
import { planStage, type StagePlan } from './stage-plan.ts'

/** Columns of a stage's inputs, by id. */
export type KnownColumns = ReadonlyMap<string, readonly Column[]>

/** What is known of a stage before it runs. */
export interface StageCheck {
  /** By `step` or `step.rejected`; left out where a problem keeps them unknown. */
  readonly outputs: ReadonlyMap<string, readonly Column[]>
  /** Every fault of the steps, `step <id>: ...`, each with its fix. */
  readonly problems: readonly string[]
}

/** Checks names and types of a stage's steps, and says which columns come out. Reads no data. */
export async function checkStage(duckdb: Duckdb, stage: Stage, inputs: KnownColumns): Promise<StageCheck> {
  await duckdb.define(judging())
  return await duckdb.withConnection(async (connection) => {
    await openRejections(connection)
    const relations = emptyRelations(inputs)
    const planned = await planOrProblem(connection, stage, inputs, relations)
    const problems = [...planned.problems]
    const outputs = new Map<string, readonly Column[]>()
    if (problems.length > 0) return { outputs, problems }
    for (const [name, query] of outputQueries(stage, planned, relations))
      try {
        outputs.set(name, await describeColumns(connection, query))
      } catch (error) {
        problems.push(`step ${name}: ${messageOf(error)}`)
      }
    return { outputs, problems }
  })
}

/**
 * The SQL of a stage's outputs, an input standing there by its name: for people to read, not to run. Steps in the
 * author's own SQL are marked as such.
 */
export async function explainStage(duckdb: Duckdb, stage: Stage, inputs: KnownColumns): Promise<string> {
  await duckdb.define(judging())
  return await duckdb.withConnection(async (connection) => {
    await openRejections(connection)
    const planned = await planOrProblem(connection, stage, inputs, emptyRelations(inputs))
    if (planned.problems.length > 0) return planned.problems.map((line) => `-- ${line}`).join('\n')
    const named = new Map([...inputs.keys()].map((id) => [id, `FROM <${id}>`]))
    const opaque = stage.steps
      .filter((step) => step.kind === 'sql')
      .map((step) => `-- step ${step.id} is opaque: SQL of DuckDB's own`)
    const kept = keptTables(planned, named)
    const queries = outputQueries(stage, planned, named, kept.tables).map(([name, query]) => `-- ${name}\n${query}`)
    return [...opaque, ...kept.statements, ...queries].join('\n\n')
  })
}

async function planOrProblem(
  connection: Connection,
  stage: Stage,
  inputs: KnownColumns,
  relations: Relations,
): Promise<StagePlan> {
  try {
    return await planStage(stage, inputs, describer(connection, relations))
  } catch (error) {
    // Only the author's own SQL asks the engine while planning.
    return { steps: new Map(), shared: [], problems: [`stage ${stage.id}: ${messageOf(error)}`] }
  }
}

function emptyRelations(inputs: KnownColumns): Relations {
  return new Map([...inputs].map(([id, columns]) => [id, emptyRelation(columns)]))
}

/** The tables of rows that several read, and the statements that fill them, in order. */
function keptTables(planned: StagePlan, relations: Relations) {
  const tables = new Map<Plan, string>()
  const statements: string[] = []
  for (const plan of planned.shared) {
    statements.push(`-- ${plan.step}, read more than once\n${keepStatement(plan, { relations, tables })}`)
    tables.set(plan, keptName(tables))
  }
  return { tables, statements }
}

function outputQueries(
  stage: Stage,
  planned: StagePlan,
  relations: Relations,
  tables: ReadonlyMap<Plan, string> = new Map(),
): [name: string, query: string][] {
  return stage.outputs.flatMap(({ step, fork }): [string, string][] => {
    const plan = planned.steps.get(step)
    if (fork === 'valid' && plan) return [[step, compile(plan.valid, { relations, tables })]]
    if (fork === 'valid' || !plan?.rejected) return []
    return [[`${step}.rejected`, compileDeadLetters(plan.rejected, { pipeline: '<pipeline>', step }, relations)]]
  })
}
