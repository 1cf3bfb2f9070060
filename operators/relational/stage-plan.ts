/** The plans of all steps of a stage. */
import type { Stage } from '../../engine/contracts.ts'
import type { Column } from '../../engine/schema.ts'
import type { Plan, PlanContext, ScanPlan, StepPlan } from './plan.ts'
import { planners } from './registry.ts'

/** Plans of all steps of a stage, and what could not be planned. */
export interface StagePlan {
  /** By step id; null for a step of which nothing is known but that it has no rows. */
  readonly steps: ReadonlyMap<string, StepPlan | null>
  /** Valid rows that more than one step or output reads, in an order in which each comes after those it reads. */
  readonly shared: readonly Plan[]
  /** Every fault of the steps, `step <id>: ...`, each with its fix. */
  readonly problems: readonly string[]
}

/** Columns of a stage's inputs by id; null for an input without files, whose columns nobody can tell. */
export type InputColumns = ReadonlyMap<string, readonly Column[] | null>

/** Plans the steps of a stage in their order. Reads no rows. */
export async function planStage(
  stage: Stage,
  inputs: InputColumns,
  describe: PlanContext['describe'],
): Promise<StagePlan> {
  const problems: string[] = []
  const rows = new Map<string, Plan | null>()
  for (const [id, columns] of inputs) rows.set(id, columns === null ? null : scanOf(id, columns))
  const steps = new Map<string, StepPlan | null>()
  for (const step of stage.steps) {
    const known = (step.from ?? []).map((id) => rows.get(id) ?? null).filter((plan) => plan !== null)
    const planner = Object.hasOwn(planners, step.kind) ? planners[step.kind] : undefined
    if (planner === undefined) problems.push(`step ${step.id}: ${step.kind} is no relational operator`)
    const context = {
      step: step.id,
      inputs: known,
      problem: (line: string) => problems.push(`step ${step.id}: ${line}`),
      describe,
    }
    const plan = known.length === 0 || planner === undefined ? null : await planner(step.options as never, context)
    steps.set(step.id, plan)
    rows.set(step.id, plan?.valid ?? null)
  }
  return { steps, shared: sharedPlans(stage, steps), problems: [...new Set(problems)] }
}

function scanOf(input: string, columns: readonly Column[]): ScanPlan {
  return { op: 'scan', step: input, input, columns, packRecord: false }
}

function sharedPlans(stage: Stage, steps: ReadonlyMap<string, StepPlan | null>): Plan[] {
  const shared = new Set<Plan>()
  for (const { id } of stage.steps) {
    const outputs = stage.outputs.filter((output) => output.step === id && output.fork === 'valid').length
    const readers = stage.steps.filter((step) => step.from?.includes(id)).length
    const plan = steps.get(id)?.valid
    if (outputs + readers > 1 && plan !== undefined && plan.op !== 'scan') shared.add(plan)
  }
  return [...shared]
}

/** The plan with every part that is kept in a table read from there. Pure. */
export function readShared(plan: Plan, tables: ReadonlyMap<Plan, string>): Plan {
  const table = tables.get(plan)
  if (table !== undefined) return { ...scanOf(table, plan.columns), step: plan.step }
  if (plan.op === 'scan') return plan
  if (plan.op === 'union') return { ...plan, inputs: plan.inputs.map((input) => readShared(input, tables)) }
  return { ...plan, from: readShared(plan.from, tables) }
}
