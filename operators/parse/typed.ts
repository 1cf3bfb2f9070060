/** `parse`: JSON documents into typed columns. */
import type { Step } from '../../engine/contracts.ts'
import { dataType } from '../../engine/data-type-shape.ts'
import { messageOf } from '../../engine/errors.ts'
import type { Column, DataType, StructType } from '../../engine/schema.ts'
import { listOf, mapOf, objectOf, oneOfTexts, optional, text } from '../../engine/shape.ts'
import {
  and,
  call,
  caseWhen,
  coalesce,
  col,
  eq,
  isNull,
  ne,
  not,
  or,
  substring,
  trim,
} from '../expressions/functions.ts'
import { fieldPath } from '../expressions/json-path.ts'
import type { Expression, NamedExpression } from '../expressions/tree.ts'
import { expectColumns, filter, project } from '../relational/build.ts'
import type { Plan, PlanContext, Planner } from '../relational/plan.ts'
import { relationalStep, type StepInput } from '../relational/step.ts'
import { codeWidth, marks } from './judge.ts'
import { type OnInvalid, type ShapeSpec, shapeProblems } from './shape.ts'

/** Where the documents are, and what is taken out of them. */
export interface ParseSpec {
  /** Binary column with one JSON document per row. */
  readonly from: string
  /** The object that holds the fields: `$` (default) or a path of fields such as `$.doc`. */
  readonly path?: string
  /** Fields, each becoming a column of its name. */
  readonly columns: { readonly [field: string]: DataType }
  /**
   * What becomes of a value that is not as declared, by field: `reject` (default) sends the document to the dead letters, `null`
   * puts null in the value's place and counts the row as a violation. Fields inside others are written `credits.cast[].order`,
   * values of maps `names{}`. What holds for a field holds for all inside it that say nothing else: then the whole field is null.
   */
  readonly onInvalid?: { readonly [field: string]: OnInvalid }
  /** Columns of the input that stay. */
  readonly keep?: readonly string[]
  /** A null document: `nulls` (default) makes every field null, `reject` sends it to the dead letters. */
  readonly tombstone?: 'nulls' | 'reject'
}

/** What `parse` puts into its step. */
interface ParseOptions extends ShapeSpec {
  readonly from: string
  readonly keep: readonly string[]
  readonly tombstone: 'nulls' | 'reject'
}

/**
 * One row per input row. A missing field or JSON null is null; unknown fields are ignored. What JSON is, and with which code it
 * is refused, is the same as for `parseCritical`. Rejected beside that: NOT_AN_OBJECT where `path` leads to no object,
 * DUPLICATE_FIELD where a field that is read stands twice in its object, and WRONG_TYPE, naming every field at fault, where a
 * value does not have its declared type, whatever it is inside of. Nothing is converted: text is no number, integers are whole
 * and fit, decimals are exact and fit, a double is the nearest one and finite, a date is `YYYY-MM-DD`, a timestamp
 * ISO 8601 (UTC where it names no zone; finer than a microsecond is cut off). An empty text for a date or a timestamp is null.
 */
export function parse(id: string, spec: ParseSpec, input?: StepInput): Step {
  return relationalStep(id, 'parse', { given: spec, shape, options: optionsOf, input, rejects: true })
}

const shape = objectOf({
  from: text,
  path: optional(text),
  columns: mapOf(dataType),
  onInvalid: optional(mapOf(text)),
  keep: optional(listOf(text)),
  tombstone: optional(oneOfTexts('nulls', 'reject')),
})

function optionsOf(spec: ParseSpec, problem: (line: string) => void): ParseOptions {
  return {
    from: spec.from,
    path: pathOf(spec.path ?? '$', problem),
    columns: Object.entries(spec.columns).map(([name, type]) => ({ name, type })),
    ...(spec.onInvalid === undefined ? {} : { onInvalid: spec.onInvalid }),
    keep: spec.keep ?? [],
    tombstone: spec.tombstone ?? 'nulls',
  }
}

function pathOf(path: string, problem: (line: string) => void): readonly string[] {
  try {
    return fieldPath(path)
  } catch (error) {
    problem(messageOf(error))
    return []
  }
}

/** A calendar date; the type of a field that holds `YYYY-MM-DD`. */
export function date(): DataType {
  return 'date'
}

/** Hidden columns between the parts of a parse. */
const hidden = {
  /** The document as it came. */
  bytes: '_millrace_bytes',
  /** The judge's answer. */
  answer: '_millrace_answer',
  /** The document in its declared shape. */
  doc: '_millrace_doc',
  ok: '_millrace_ok',
}

const dead = isNull(col([hidden.bytes]))
const mark = substring(col([hidden.answer]), 1, 1)
const answerFrom = (character: number): Expression => substring(col([hidden.answer]), character, 2 ** 31 - 1)

/** Plans `parse`. */
export const planParse: Planner<ParseOptions> = (options, context) => {
  const from = context.inputs[0]!
  expectColumns(from, [options.from], 'parse', context)
  expectColumns(from, options.keep, 'keep', context)
  for (const line of shapeProblems(options)) context.problem(line)
  const keep = options.keep.map((name) => ({ name, value: col([name]) }))
  const values = options.columns.map(({ name }) => ({ name, value: col([hidden.doc, ...options.path, name]) }))
  const judged = judge(from, options, [], context)
  const mayBeNulled = Object.values(options.onInvalid ?? {}).includes('null')
  return {
    countsRejected: true,
    valid: project(shaped(judge(from, options, keep, context), options, keep, context), [...keep, ...values], context),
    rejected: project(filter(judged, call('in-place', [not(isFine(options))]), context), causes(options), context),
    ...(mayBeNulled ? { nulled: filter(judged, call('in-place', [coalesce(isNulled, false)]), context) } : {}),
  }
}

const isNulled = eq(mark, marks.nulled)

/** Documents beside the judge's answers about them. */
function judge(from: Plan, options: ParseOptions, keep: readonly NamedExpression[], context: PlanContext): Plan {
  const { path, columns, onInvalid } = options
  const spec: ShapeSpec = { path, columns, ...(onInvalid === undefined ? {} : { onInvalid }) }
  const bytes = col([options.from])
  const answer: Expression = { op: 'json-judge', of: bytes, spec: JSON.stringify(spec) }
  return stage(from, keep, { bytes, answer }, context)
}

/** The documents that are taken, in their declared shape. */
function shaped(judged: Plan, options: ParseOptions, keep: readonly NamedExpression[], context: PlanContext): Plan {
  const text = caseWhen([
    [isNull(col([hidden.answer])), { op: 'utf8', of: col([hidden.bytes]) }],
    [ne(mark, marks.rejected), answerFrom(2)],
  ])
  const doc: Expression = { op: 'json-shape', of: text, to: nested(options.path, options.columns) }
  const ok = and(call('judged', [isFine(options)]), call('noted', [coalesce(isNulled, false)]))
  return filter(stage(judged, keep, { doc, ok }, context), col([hidden.ok]), context)
}

/** Whether a document is taken; never null. */
function isFine({ tombstone }: ParseOptions): Expression {
  const isTaken = coalesce(ne(mark, marks.rejected), true)
  return tombstone === 'nulls' ? or(dead, isTaken) : and(not(dead), isTaken)
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

/** The part of a document that is read, `path` included. */
function nested(path: readonly string[], columns: readonly Column[]): StructType {
  // A struct needs a field.
  const fields: readonly Column[] = columns.length === 0 ? [{ name: '_', type: 'string' }] : columns
  return path.reduceRight<StructType>((type, name) => ({ kind: 'struct', fields: [{ name, type }] }), {
    kind: 'struct',
    fields,
  })
}

/** `code` and `message` of a row that is rejected. */
function causes(options: ParseOptions): NamedExpression[] {
  const unexpected = `${options.from} is null, and a tombstone is not expected here`
  return [
    {
      name: 'code',
      value: caseWhen([[dead, 'TOMBSTONE_UNEXPECTED']], trim(substring(col([hidden.answer]), 2, codeWidth))),
    },
    { name: 'message', value: caseWhen([[dead, unexpected]], answerFrom(codeWidth + 2)) },
  ]
}
