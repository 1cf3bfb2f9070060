/**
 * A stage over more rows than DuckDB has memory for: tier by tier, each in parts that fit. What looks at all rows decides by keys
 * and places alone; the rows themselves stay in files and are read again, part by part.
 */
import { identifier } from '../../engine/duckdb.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { type Compilation, compile, type Relations } from './compile.ts'
import { latestParts } from './latest-parts.ts'
import { netParts } from './net-parts.ts'
import { inputsOf, type Plan, type StepPlan } from './plan.ts'
import { openRejections } from './rejections.ts'
import { writtenRelation } from './scan.ts'
import { cutIntoParts } from './segments.ts'
import type { StagePlan } from './stage-plan.ts'
import { runWork, type StageContext, type StageFiles, type StageWork } from './stage-run.ts'
import { type Reading, type StoredRows, segmentsOf } from './stored-rows.ts'
import { rootOf, type Tier, tiersOf, wholeOutputs } from './tiers.ts'
import { refuseFailed } from './violations.ts'

/** Rows in parts, each a query. */
type Parts = Iterable<string> | AsyncIterable<string>

export interface PartsContext extends StageContext, Reading {
  readonly plan: StagePlan
  /** Of every input. */
  readonly inputs: ReadonlyMap<string, StoredRows>
}

/** Files by output: one for each part that has rows. */
export interface PartsResult {
  readonly outputs: ReadonlyMap<string, readonly ParquetFile[]>
  readonly violations: ReadonlyMap<string, number>
}

/** Relation of a part's rows. */
const partName = '_millrace_part'

/** Runs the stage. Every row is in one part, and comes out as it does of a run as a whole. */
export async function runInParts(context: PartsContext): Promise<PartsResult> {
  const { plan, run, inputs } = context
  const all: Relations = new Map([...inputs].map(([id, { relation }]) => [id, relation.query]))
  const outputs = new Map<string, ParquetFile[]>()
  const violations = new Map<string, number>()
  const kept = new Map<Plan, ParquetFile[]>()
  const take = (files: StageFiles): void => {
    for (const [name, file] of files.outputs) addTo(outputs, name, file)
    for (const [of, file] of files.kept) addTo(kept, of, file)
    for (const [step, count] of files.violations) violations.set(step, (violations.get(step) ?? 0) + count)
  }
  for (const tier of tiersOf(run.stage.outputs, plan)) {
    const work = workOf(tier, plan)
    for await (const part of await partsOf(context, tier.root, kept, all)) {
      await openRejections(context.connection)
      take(await runWork(context, work, givenPart(tier.root, part, all)))
    }
  }
  await refuseFailed(run, plan, violations, { connection: context.connection, relations: all })
  const rest = wholeOutputs(run.stage.outputs, plan)
  if (rest.length > 0)
    take(await runWork(context, { plan: unjudged(plan), outputs: rest }, { relations: all, tables: new Map() }))
  return { outputs, violations }
}

function addTo<K>(files: Map<K, ParquetFile[]>, key: K, file: ParquetFile): void {
  files.set(key, [...(files.get(key) ?? []), file])
}

/** What a tier computes of each of its parts. */
function workOf({ root, steps, outputs, kept }: Tier, plan: StagePlan): StageWork {
  const own = new Map([...plan.steps].filter(([id, step]) => steps.has(id) && step !== null))
  const shared = plan.shared.filter((each) => rootOf(each) === root && each !== root)
  return { plan: { steps: own, shared, problems: [] }, outputs, kept, isPart: true }
}

/** The steps alone: what breaks their rules is counted already. */
function unjudged({ steps }: StagePlan): StagePlan {
  const bare = [...steps].map(([id, step]): [string, StepPlan | null] => {
    if (step === null) return [id, null]
    const { valid, rejected } = step
    return [id, rejected === undefined ? { valid } : { valid, rejected }]
  })
  return { steps: new Map(bare), shared: [], problems: [] }
}

function givenPart(root: Plan, part: string, all: Relations): Compilation {
  if (root.op === 'scan') return { relations: new Map([...all, [root.input, part]]), tables: new Map() }
  return { relations: new Map([...all, [partName, part]]), tables: new Map([[root, partName]]) }
}

async function partsOf(
  context: PartsContext,
  root: Plan,
  kept: ReadonlyMap<Plan, readonly ParquetFile[]>,
  all: Relations,
): Promise<Parts> {
  const { budget } = context
  if (root.op === 'scan') {
    const { relation, segments } = context.inputs.get(root.input)!
    return cutIntoParts(segments, budget).map((part) => relation.part(part))
  }
  const stored = await Promise.all(inputsOf(root).map((input) => storedRows(context, input, kept)))
  switch (root.op) {
    case 'latest':
      return latestParts(context, root, stored[0]!)
    case 'net-changes':
      return netParts(context, root, stored[0]!)
    case 'union':
      return stored.flatMap(({ relation, segments }) =>
        cutIntoParts(segments, budget).map((part) => relation.part(part)),
      )
    default:
      return wholeParts(context, root, stored, all)
  }
}

async function storedRows(
  { connection, inputs }: PartsContext,
  plan: Plan,
  kept: ReadonlyMap<Plan, readonly ParquetFile[]>,
): Promise<StoredRows> {
  if (plan.op === 'scan') return inputs.get(plan.input)!
  const relation = writtenRelation(
    plan.columns,
    (kept.get(plan) ?? []).map(({ path }) => path),
  )
  const names = plan.columns.map(({ name }) => name)
  return { relation, segments: await segmentsOf(connection, relation.files, names) }
}

/** What only the engine can run is run as a whole; DuckDB spills what it can. */
async function* wholeParts(
  context: PartsContext,
  root: Plan,
  stored: readonly StoredRows[],
  all: Relations,
): AsyncGenerator<string> {
  const table = '_millrace_whole'
  const relations = new Map(all)
  const tables = new Map<Plan, string>()
  inputsOf(root).forEach((input, i) => {
    relations.set(`${table}_${i}`, stored[i]!.relation.query)
    tables.set(input, `${table}_${i}`)
  })
  await context.connection.run(`CREATE OR REPLACE TEMP TABLE ${table} AS ${compile(root, { relations, tables })}`)
  yield `SELECT * FROM ${identifier(table)}`
  await context.connection.run(`DROP TABLE ${table}`)
}
