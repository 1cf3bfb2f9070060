/**
 * Logical plans: what a stage computes, free of any engine's language. Operators make them from steps, fuse.ts merges
 * neighbours, statement.ts renders them. Plain data.
 */
import type { Column } from '../../engine/schema.ts'
import type { Expression, NamedExpression } from '../expressions/tree.ts'

/** A query as a tree. Plans are shared: one that several steps read is one object. */
export type Plan =
  | ScanPlan
  | (PlanBase & { readonly op: 'project'; readonly from: Plan; readonly values: readonly NamedExpression[] })
  | (PlanBase & { readonly op: 'filter'; readonly from: Plan; readonly where: Expression })
  /** One row per element of `list`; none for a null or empty one. */
  | (PlanBase & {
      readonly op: 'flatten'
      readonly from: Plan
      readonly list: Expression
      readonly as: string
      /** Name of the column with the element's number, from 0. */
      readonly position: string | null
      readonly keep: readonly NamedExpression[]
    })
  /** The rows of all, whose columns are the same in the same order. */
  | (PlanBase & { readonly op: 'union'; readonly inputs: readonly Plan[] })
  /** Per key the row whose `order` is the largest, compared column by column, null before all else. */
  | (PlanBase & {
      readonly op: 'latest'
      readonly from: Plan
      readonly key: readonly Expression[]
      readonly order: readonly Expression[]
    })
  | NetChangesPlan
  /** Text in the engine's own language over its input, which it calls `batch`. */
  | (PlanBase & { readonly op: 'sql'; readonly from: Plan; readonly text: string })

/** What every plan has. */
export interface PlanBase {
  /** Id of the step that it comes from (of the input, for a scan). */
  readonly step: string
  readonly columns: readonly Column[]
  /** Set where an expression is dear (it parses a document): what reads it is not merged into it. */
  readonly barrier?: true
}

/** Rows of a stage's input, or of a step that was computed before and kept. */
export interface ScanPlan extends PlanBase {
  readonly op: 'scan'
  readonly input: string
  /** Adds {@link recordColumn}, packed from the record columns that the input has. */
  readonly packRecord: boolean
}

/** Per key of a change feed the row at the start (`before`) and at the end (`after`), where they differ. */
export interface NetChangesPlan extends PlanBase {
  readonly op: 'net-changes'
  readonly from: Plan
  readonly key: readonly string[]
  /** Columns of the table itself, which make up `before` and `after`. */
  readonly state: readonly string[]
}

/** What a step gives: its rows and, if it rejects any, those as dead letters without their record columns. */
export interface StepPlan {
  readonly valid: Plan
  /** Columns `code` and `message`, and whatever record column is carried. */
  readonly rejected?: Plan
  /** Computing `valid` counts the rows that are rejected ('judged'): where there are none, `rejected` need not be computed. */
  readonly countsRejected?: true
  /** Rows of `valid` in which null stands for what was not as declared, to be counted; computing `valid` notes whether there are any ('noted'). */
  readonly nulled?: Plan
  /** Rows that break a rule without being rejected, for counting or for failing. */
  readonly violations?: { readonly plan: Plan; readonly onViolation: 'warn' | 'drop' | 'fail' }
}

/** Makes a step's plan of its inputs' plans; faults of the definition are reported, each with its fix. */
export type Planner<Options> = (options: Options, context: PlanContext) => StepPlan | Promise<StepPlan>

/** What a step is planned with. */
export interface PlanContext {
  readonly step: string
  /** One per id in the step's `from`. Known to be empty, with unknown columns: left out. */
  readonly inputs: readonly Plan[]
  readonly problem: (line: string) => void
  /** Columns of a plan that only the engine can know. */
  readonly describe: (plan: Plan) => Promise<readonly Column[]>
}

/** Hidden column that carries the record a row came from to the dead letters. */
export const recordColumn = '_millrace_record'

/** The plans that a plan reads from. */
export function inputsOf(plan: Plan): readonly Plan[] {
  if (plan.op === 'scan') return []
  return plan.op === 'union' ? plan.inputs : [plan.from]
}

/** The same plan over other inputs. */
export function withInputs(plan: Plan, change: (input: Plan) => Plan): Plan {
  if (plan.op === 'scan') return plan
  return plan.op === 'union' ? { ...plan, inputs: plan.inputs.map(change) } : { ...plan, from: change(plan.from) }
}
