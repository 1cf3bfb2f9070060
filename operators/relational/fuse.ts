/** Merges neighbouring projections and filters of a plan. Pure; the rows stay the same. */
import { childrenOf, type Expression, mapChildren, type NamedExpression } from '../expressions/tree.ts'
import { inputsOf, type Plan, withInputs } from './plan.ts'

type Project = Extract<Plan, { op: 'project' }>
type Filter = Extract<Plan, { op: 'filter' }>

/** The plan with as few selects as merging gives, inputs first. */
export function fuse(plan: Plan): Plan {
  return fuseTop(withInputs(plan, fuse))
}

function fuseTop(plan: Plan): Plan {
  const [below] = inputsOf(plan)
  if (below === undefined || plan.barrier || below.barrier) return plan
  if (plan.op === 'project' && below.op === 'project') return mergeProjects(plan, below)
  if (plan.op === 'filter' && below.op === 'filter') return mergeFilters(plan, below)
  if (plan.op === 'filter' && below.op === 'project') return filterFirst(plan, below)
  return plan
}

function mergeProjects(above: Project, below: Project): Plan {
  const uses = new Map<string, number>()
  for (const { value } of above.values) countUses(value, false, uses)
  const inner = byName(below.values)
  for (const [name, count] of uses) if (count > 1 && !isTrivial(inner.get(name))) return above
  const values = above.values.map(({ name, value }) => ({ name, value: substitute(value, inner) }))
  return fuseTop({ ...above, from: below.from, values })
}

function mergeFilters(above: Filter, below: Filter): Plan {
  const where: Expression = { op: 'call', name: 'and', args: [below.where, above.where] }
  return fuseTop({ ...above, from: below.from, where })
}

/** Filtering before projecting, so that it meets the filters and scans below. */
function filterFirst(above: Filter, below: Project): Plan {
  const uses = new Map<string, number>()
  countUses(above.where, false, uses)
  const inner = byName(below.values)
  for (const name of uses.keys()) if (!isTrivial(inner.get(name))) return above
  const filter = { ...above, from: below.from, where: substitute(above.where, inner), columns: below.from.columns }
  return { ...below, from: fuseTop(filter), step: above.step }
}

/** How often each column is evaluated; once inside a list function is many times. */
function countUses(expression: Expression, repeated: boolean, uses: Map<string, number>): void {
  if (expression.op === 'column') {
    const name = expression.path[0] ?? ''
    uses.set(name, (uses.get(name) ?? 0) + (repeated ? 2 : 1))
  }
  if (expression.op === 'each') {
    countUses(expression.list, repeated, uses)
    countUses(expression.body, true, uses)
    return
  }
  for (const child of childrenOf(expression)) countUses(child, repeated, uses)
}

function isTrivial(expression: Expression | undefined): boolean {
  return expression?.op === 'column' || expression?.op === 'literal'
}

function substitute(expression: Expression, inner: ReadonlyMap<string, Expression>): Expression {
  if (expression.op !== 'column') return mapChildren(expression, (child) => substitute(child, inner))
  const [name, ...rest] = expression.path
  const value = inner.get(name ?? '')
  if (value === undefined) return expression
  if (value.op === 'column') return { op: 'column', path: [...value.path, ...rest] }
  return rest.reduce<Expression>((of, part) => ({ op: 'field', of, name: part }), value)
}

function byName(values: readonly NamedExpression[]): ReadonlyMap<string, Expression> {
  return new Map(values.map(({ name, value }) => [name, value]))
}
