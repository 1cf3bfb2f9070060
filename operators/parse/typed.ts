/** `parse`: JSON documents into typed columns. */
import type { Step } from '../../engine/contracts.ts'
import type { Column, DataType } from '../../engine/schema.ts'
import { and, call, caseWhen, coalesce, col, eq, isNull, not, nullIf, or, tryCast } from '../expressions/functions.ts'
import { fieldPath } from '../expressions/json-path.ts'
import type { Expression, NamedExpression } from '../expressions/tree.ts'
import { expectColumns, filter, project } from '../relational/build.ts'
import type { Plan, PlanContext, Planner } from '../relational/plan.ts'
import { relationalStep, type StepInput } from '../relational/step.ts'
import {
  fieldFits,
  hidden,
  isChecked,
  isText,
  nested,
  type ParseOptions,
  pointers,
  shapedField,
  typeFound,
} from './declared.ts'
import { rejectionValues } from './rejection.ts'

/** Where the documents are, and what is taken out of them. */
export interface ParseSpec {
  /** Binary column with one JSON document per row. */
  readonly from: string
  /** The object that holds the fields: `$` (default) or a path of fields such as `$.doc`. */
  readonly path?: string
  /** Fields, each becoming a column of its name. */
  readonly columns: { readonly [field: string]: DataType }
  /** Columns of the input that stay. */
  readonly keep?: readonly string[]
  /** A null document: `nulls` (default) makes every field null, `reject` sends it to the dead letters. */
  readonly tombstone?: 'nulls' | 'reject'
}

/**
 * One row per input row. A missing field or JSON null is null; unknown fields are ignored. Of a field that appears
 * twice, the first counts. Rejected: NOT_JSON (invalid UTF-8 too), NOT_AN_OBJECT where `path` leads to no object, and
 * WRONG_TYPE, naming every field at fault, where a field does not have its declared type: integers must be whole and
 * fit, a date is `YYYY-MM-DD`, null or empty (null too), a timestamp ISO 8601 (UTC where it
 * names no zone), and text is no number. Inside lists and
 * objects what does not fit is converted if it can be, else null.
 */
export function parse(id: string, spec: ParseSpec, input?: StepInput): Step {
  const options: ParseOptions = {
    from: spec.from,
    path: fieldPath(spec.path ?? '$'),
    columns: Object.entries(spec.columns).map(([name, type]) => ({ name, type })),
    keep: spec.keep ?? [],
    tombstone: spec.tombstone ?? 'nulls',
  }
  return relationalStep(id, 'parse', { options, input, rejects: true })
}

/** A calendar date; the type of a field that holds `YYYY-MM-DD`. */
export function date(): DataType {
  return 'date'
}

/** Plans `parse`. */
export const planParse: Planner<ParseOptions> = (options, context) => {
  const from = context.inputs[0]!
  expectColumns(from, [options.from], 'parse', context)
  expectColumns(from, options.keep, 'keep', context)
  for (const { name, type } of options.columns)
    if (type === 'binary') context.problem(`column ${name}: JSON has no binary values (parse it as string)`)
  const keep = options.keep.map((name) => ({ name, value: col([name]) }))
  const values = options.columns.map((column) => ({ name: column.name, value: fieldValue(options, column) }))
  return {
    countsRejected: true,
    valid: project(checked(from, options, options.columns, keep, true, context), [...keep, ...values], context),
    rejected: project(
      checked(from, options, options.columns.filter(isChecked), [], false, context),
      rejectionValues(options),
      context,
    ),
  }
}

/**
 * The rows whose documents are as declared, or those whose are not. Documents are read twice: for the types of the
 * fields, and for `shaped` fields' values, so rejections need not build lists.
 */
function checked(
  from: Plan,
  options: ParseOptions,
  shaped: readonly Column[],
  keep: readonly NamedExpression[],
  wanted: boolean,
  context: PlanContext,
): Plan {
  const text = stage(
    from,
    keep,
    { dead: isNull(col([options.from])), text: { op: 'utf8', of: col([options.from]) } },
    context,
  )
  const types: Expression = { op: 'json-types', of: col([hidden.text]), pointers: pointers(options) }
  const typed = stage(text, keep, { dead: col([hidden.dead]), text: col([hidden.text]), types }, context)
  const shape: Expression = { op: 'json-shape', of: col([hidden.text]), to: nested(options.path, shaped) }
  const isObject = eq(typeFound(0), 'OBJECT')
  const rest = { dead: col([hidden.dead]), text: col([hidden.text]), types: col([hidden.types]) }
  const shapedRows = stage(typed, keep, { ...rest, doc: caseWhen([[isObject, shape]]) }, context)
  const tombstone = options.tombstone === 'nulls' ? [col([hidden.dead])] : []
  const fine = or(
    ...tombstone,
    and(coalesce(isObject, false), ...options.columns.map((column, i) => fieldFits(options, column, i))),
  )
  const ok = wanted ? call('judged', [fine]) : call('in-place', [not(fine)])
  const judged = stage(shapedRows, keep, { ...rest, doc: col([hidden.doc]), ok }, context)
  return filter(judged, col([hidden.ok]), context)
}

function stage(
  from: Plan,
  keep: readonly NamedExpression[],
  columns: { readonly [part in keyof typeof hidden]?: Expression },
  context: PlanContext,
): Plan {
  const parts = Object.entries(columns).map(([part, value]) => ({ name: hidden[part as keyof typeof hidden], value }))
  return { ...project(from, [...keep, ...parts], context), barrier: true }
}

function fieldValue(options: ParseOptions, { name, type }: Column): Expression {
  const value = shapedField(options, name)
  return isText(type) ? tryCast(nullIf(value, ''), type) : value
}
