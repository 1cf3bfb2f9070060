/** How every relational operator makes its step. */
import type { Json, Step } from '../../engine/contracts.ts'
import type { Expression, NamedExpression } from '../expressions/tree.ts'

/** What every relational step can be told beside its own options. */
export interface StepInput {
  /** Ids of the steps or sources read; default the step before. */
  readonly from?: string | readonly string[]
}

/** A step as plain data; `options` hold expressions and types, which are plain data too. */
export function relationalStep(
  id: string,
  kind: string,
  parts: { readonly options: object; readonly input?: StepInput | undefined; readonly rejects?: boolean },
): Step {
  const from = parts.input?.from
  return {
    id,
    kind,
    executor: 'relational',
    rejects: parts.rejects ?? false,
    options: parts.options as { readonly [key: string]: Json | undefined },
    ...(from === undefined ? {} : { from: typeof from === 'string' ? [from] : from }),
  }
}

/** Named expressions in the order in which they were written. */
export function namedExpressions(values: { readonly [name: string]: Expression }): NamedExpression[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }))
}
