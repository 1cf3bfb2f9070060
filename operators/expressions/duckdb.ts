/** Expressions as DuckDB SQL. */
import { duckdbType } from '../../engine/batch/duckdb-types.ts'
import { identifier, literal } from '../../engine/duckdb.ts'
import type { DataType } from '../../engine/schema.ts'
import type { Dialect } from './dialect.ts'
import type { Expression, FunctionName } from './tree.ts'

/** DuckDB 1.5: single-quoted text has no escapes but the doubled quote, double-quoted names none but the doubled one. */
export const duckdbDialect: Dialect = {
  name: 'duckdb',
  expression: (expression, relation) => render(expression, { relation, variables: new Map(), depth: 0 }),
  identifier,
  type: duckdbType,
}

interface Context {
  readonly relation: string
  /** Names in the tree repeat at every depth; in SQL each nested lambda gets its own. */
  readonly variables: ReadonlyMap<string, string>
  readonly depth: number
}

function render(expression: Expression, context: Context): string {
  const inner = (part: Expression): string => render(part, context)
  switch (expression.op) {
    case 'column':
      return extract(`${context.relation}.${identifier(expression.path[0] ?? '')}`, expression.path.slice(1))
    case 'field':
      return extract(inner(expression.of), [expression.name])
    case 'variable':
      return context.variables.get(expression.name) ?? identifier(expression.name)
    case 'literal':
      return scalar(expression)
    case 'call':
      return calls[expression.name](expression.args.map(inner))
    case 'cast':
      return `${expression.lenient ? 'TRY_CAST' : 'CAST'}(${inner(expression.of)} AS ${duckdbType(expression.to)})`
    case 'case':
      return `CASE ${expression.branches
        .map(({ when, value }) => `WHEN ${inner(when)} THEN ${inner(value)}`)
        .join(' ')} ELSE ${inner(expression.otherwise)} END`
    case 'struct':
      return `struct_pack(${expression.fields.map(({ name, value }) => `${identifier(name)} := ${inner(value)}`).join(', ')})`
    case 'each':
      return each(expression, context)
    case 'json-get':
      return jsonGet(inner(expression.of), expression.pointer, expression.to)
    case 'json-shape':
      return `json_transform(${inner(expression.of)}, ${literal(JSON.stringify(shape(expression.to)))})`
    case 'json-judge':
      return `${judgeName}(${inner(expression.of)}, ${literal(expression.spec)})`
    case 'utf8':
      return `TRY(decode(${inner(expression.of)}))`
  }
}

function extract(base: string, path: readonly string[]): string {
  return path.reduce((value, name) => `struct_extract(${value}, ${literal(name)})`, base)
}

function scalar({ type, value }: Extract<Expression, { op: 'literal' }>): string {
  if (type === 'long') return `CAST(${literal(String(value))} AS BIGINT)`
  if (type === 'double') return `CAST(${literal(String(value))} AS DOUBLE)`
  return literal(value)
}

function each(expression: Extract<Expression, { op: 'each' }>, context: Context): string {
  const name = `_element${context.depth}`
  const body = render(expression.body, {
    ...context,
    variables: new Map(context.variables).set(expression.variable, name),
    depth: context.depth + 1,
  })
  const list = render(expression.list, context)
  return `list_${expression.kind === 'map' ? 'transform' : 'filter'}(${list}, lambda ${name}: ${body})`
}

function jsonGet(text: string, pointer: string, to: DataType): string {
  const path = literal(orRoot(pointer))
  if (typeof to !== 'string')
    return `TRY(json_transform(json_extract(${text}, ${path}), ${literal(JSON.stringify(shape(to)))}))`
  const found = `TRY(json_extract_string(${text}, ${path}))`
  return to === 'string' ? found : `TRY_CAST(${found} AS ${duckdbType(to)})`
}

function orRoot(pointer: string): string {
  return pointer === '' ? '$' : pointer
}

/** The structure that `json_transform` takes. */
function shape(type: DataType): unknown {
  if (typeof type === 'string' || type.kind === 'decimal' || type.kind === 'map') return duckdbType(type)
  if (type.kind === 'array') return [shape(type.element)]
  return Object.fromEntries(type.fields.map((field) => [field.name, shape(field.type)]))
}

/** Function that judges documents; whoever runs or describes a statement defines it first. */
export const judgeName = '_millrace_judge'

/** Temporary sequences that `judged` and `noted` count with; whoever runs or describes a statement makes them first. */
export const rejectionCounter = '_millrace_rejected'
export const nullCounter = '_millrace_nulled'

type Render = (args: readonly string[]) => string

const infix =
  (operator: string): Render =>
  (args) =>
    `(${args.join(` ${operator} `)})`
const named =
  (name: string): Render =>
  (args) =>
    `${name}(${args.join(', ')})`
/** TRY: what overflows is null, not the end of the batch. */
const arithmetic =
  (operator: string): Render =>
  ([a, b]) =>
    `TRY(${a} ${operator} ${b})`

const calls: Readonly<Record<FunctionName, Render>> = {
  eq: infix('='),
  ne: infix('<>'),
  lt: infix('<'),
  le: infix('<='),
  gt: infix('>'),
  ge: infix('>='),
  'is-distinct': infix('IS DISTINCT FROM'),
  'is-null': ([a]) => `(${a} IS NULL)`,
  and: (args) => (args.length === 0 ? 'true' : infix('AND')(args)),
  or: (args) => (args.length === 0 ? 'false' : infix('OR')(args)),
  not: ([a]) => `(NOT ${a})`,
  add: arithmetic('+'),
  subtract: arithmetic('-'),
  multiply: arithmetic('*'),
  divide: ([a, b]) => `(CAST(${a} AS DOUBLE) / nullif(CAST(${b} AS DOUBLE), 0))`,
  modulo: ([a, b]) => `TRY(${a} % nullif(${b}, 0))`,
  coalesce: named('coalesce'),
  'null-if': named('nullif'),
  concat: infix('||'),
  lower: named('lower'),
  upper: named('upper'),
  trim: named('trim'),
  length: named('length'),
  substring: named('substring'),
  matches: named('regexp_full_match'),
  'to-text': ([a]) => `CAST(${a} AS VARCHAR)`,
  'hash-text': (args) => `md5(${args.length === 0 ? "''" : args.map(lengthPrefixed).join(' || ')})`,
  'date-of': ([a]) => `CAST(${a} AS DATE)`,
  'year-of': named('year'),
  'epoch-micros': named('epoch_us'),
  list: (args) => `list_value(${args.join(', ')})`,
  'list-concat': (args) => args.map((arg) => `coalesce(${arg}, [])`).reduce((a, b) => `list_concat(${a}, ${b})`),
  'list-flatten': named('flatten'),
  'list-sorted': ([a]) => `list_sort(${a}, 'ASC', 'NULLS FIRST')`,
  'list-distinct': named('list_distinct'),
  'list-join': named('array_to_string'),
  'list-length': named('len'),
  'list-contains': named('list_contains'),
  'list-get': named('list_extract'),
  // DuckDB pushes no filter through a volatile expression, and would parse a document anew for every one it pushes.
  'in-place': ([a]) => `(${a} AND random() >= 0)`,
  // As volatile. Of a CASE, DuckDB evaluates a branch for the rows that take it only.
  judged: ([a]) => `(CASE WHEN ${a} THEN true ELSE nextval(${literal(rejectionCounter)}) < 0 END)`,
  noted: ([a]) => `(CASE WHEN ${a} THEN nextval(${literal(nullCounter)}) > 0 ELSE true END)`,
}

/** `3:abc` for a text, `-` for null: no two lists of parts share their concatenation. */
function lengthPrefixed(value: string): string {
  const text = `CAST(${value} AS VARCHAR)`
  return `coalesce(length(${text}) || ':' || ${text}, '-')`
}
