/**
 * Which parts of a stage can be computed a few rows at a time. Selecting, filtering, parsing and unfolding look at one row; the newest
 * row of a key, net changes, unions of different inputs and an author's SQL look at all. Pure.
 */
import type { StageOutput } from '../../engine/contracts.ts'
import { inputsOf, type Plan } from './plan.ts'
import type { StagePlan } from './stage-plan.ts'

/** Plans that follow row by row from the same rows: those of `root`. */
export interface Tier {
  readonly root: Plan
  /** Steps whose plans belong to it. */
  readonly steps: ReadonlySet<string>
  readonly outputs: readonly StageOutput[]
  /** Plans whose rows a later tier begins with; none of them is a scan. */
  readonly kept: readonly Plan[]
}

/** The tiers of a stage, each after those it begins with. Dead letters belong to a tier of scanned rows, or to none: see {@link wholeOutputs}. */
export function tiersOf(outputs: readonly StageOutput[], plan: StagePlan): readonly Tier[] {
  const tiers = new Map<Plan, { steps: Set<string>; outputs: StageOutput[]; kept: Set<Plan> }>()
  const tierOf = (of: Plan) => {
    const root = rootOf(of)
    const known = tiers.get(root)
    if (known !== undefined) return known
    if (root.op !== 'scan') for (const input of inputsOf(root)) keep(input)
    const tier = { steps: new Set<string>(), outputs: [], kept: new Set<Plan>() }
    tiers.set(root, tier)
    return tier
  }
  const keep = (input: Plan): void => {
    const tier = tierOf(input)
    if (input.op !== 'scan') tier.kept.add(input)
  }
  for (const [step, planned] of plan.steps) {
    if (planned === null) continue
    if (outputs.some((output) => output.step === step) || planned.violations !== undefined)
      tierOf(planned.valid).steps.add(step)
  }
  for (const output of outputs) {
    const of = planOf(output, plan)
    if (of !== null && !isWhole(output, plan)) tierOf(of).outputs.push(output)
  }
  return [...tiers].map(([root, { kept, ...tier }]) => ({ root, ...tier, kept: [...kept] }))
}

/** Dead letters of rows that no longer stand for one record each: they are looked up in all that the stage reads. */
export function wholeOutputs(outputs: readonly StageOutput[], plan: StagePlan): readonly StageOutput[] {
  return outputs.filter((output) => isWhole(output, plan))
}

function isWhole(output: StageOutput, plan: StagePlan): boolean {
  const of = planOf(output, plan)
  return output.fork === 'rejected' && of !== null && rootOf(of).op !== 'scan'
}

function planOf({ step, fork }: StageOutput, plan: StagePlan): Plan | null {
  const planned = plan.steps.get(step) ?? null
  return (fork === 'valid' ? planned?.valid : planned?.rejected) ?? null
}

/** The rows that a plan's rows follow from, row by row. */
export function rootOf(plan: Plan): Plan {
  switch (plan.op) {
    case 'project':
    case 'filter':
    case 'flatten':
      return rootOf(plan.from)
    case 'union': {
      const roots = new Set(plan.inputs.map(rootOf))
      return roots.size === 1 ? [...roots][0]! : plan
    }
    default:
      return plan
  }
}
