/** Which columns of its inputs a stage reads: files are as large as what is read of them. Pure. */
import { childrenOf, type Expression } from '../expressions/tree.ts'
import { inputsOf, type Plan } from './plan.ts'

/** Names of columns that the plans read, by input. */
export function columnsRead(plans: Iterable<Plan>): ReadonlyMap<string, ReadonlySet<string>> {
  const read = new Map<string, Set<string>>()
  for (const plan of plans) note(plan, new Set(plan.columns.map(({ name }) => name)), read)
  return read
}

/** @param wanted names of the plan's columns that are asked for */
function note(plan: Plan, wanted: ReadonlySet<string>, read: Map<string, Set<string>>): void {
  if (plan.op === 'scan') {
    const known = read.get(plan.input) ?? new Set()
    read.set(plan.input, new Set([...known, ...wanted]))
    return
  }
  const below = wantedBelow(plan, wanted)
  for (const input of inputsOf(plan)) note(input, below ?? new Set(input.columns.map(({ name }) => name)), read)
}

/** Null: all of them. */
function wantedBelow(plan: Exclude<Plan, { op: 'scan' }>, wanted: ReadonlySet<string>): ReadonlySet<string> | null {
  const named = (values: readonly { readonly name: string; readonly value: Expression }[]) =>
    values.filter(({ name }) => wanted.has(name)).map(({ value }) => value)
  switch (plan.op) {
    case 'project':
      return columnsOf(named(plan.values))
    case 'filter':
      return new Set([...wanted, ...columnsOf([plan.where])])
    case 'flatten':
      return columnsOf([plan.list, ...named(plan.keep)])
    case 'latest':
      return new Set([...wanted, ...columnsOf([...plan.key, ...plan.order])])
    case 'union':
      return wanted
    default:
      return null
  }
}

function columnsOf(expressions: readonly Expression[]): Set<string> {
  const names = new Set<string>()
  const visit = (expression: Expression): void => {
    if (expression.op === 'column') names.add(expression.path[0] ?? '')
    for (const child of childrenOf(expression)) visit(child)
  }
  for (const each of expressions) visit(each)
  return names
}
