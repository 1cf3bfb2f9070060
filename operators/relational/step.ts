/** How every relational operator makes its step. */
import type { Json, Step } from '../../engine/contracts.ts'
import type { Expression, NamedExpression } from '../expressions/tree.ts'

/** What every relational step can be told beside its own options. */
export interface StepInput {
  /** Id of the step or source read; default the step before. Only `union` reads more than one. */
  readonly from?: string | readonly string[]
}

/** A step as plain data; `options` hold expressions and types, which are plain data too. */
export function relationalStep(
  id: string,
  kind: string,
  parts: { readonly options: object; readonly input?: StepInput | undefined; readonly rejects?: boolean },
): Step {
  const given = parts.input?.from
  const from = typeof given === 'string' ? [given] : given
  const isWrong = from !== undefined && from.length !== 1 && kind !== 'union'
  return {
    id,
    kind,
    executor: 'relational',
    rejects: parts.rejects ?? false,
    options: parts.options as { readonly [key: string]: Json | undefined },
    ...(from === undefined ? {} : { from }),
    ...(isWrong ? { problems: [`${kind} reads one input, not ${from.join(', ') || 'none'} (union them first)`] } : {}),
  }
}

/** Named expressions in the order in which they were written. */
export function namedExpressions(values: { readonly [name: string]: Expression }): NamedExpression[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }))
}
