/**
 * Expressions over the columns of a row: a small closed tree of plain JSON, so that a definition can be printed, hashed,
 * sent to a worker and rendered into another engine's language. Built with functions.ts, checked by types.ts.
 */
import type { DataType } from '../../engine/schema.ts'

/** A value of a row, as plain data: it can be printed, hashed and compiled. */
export type Expression =
  /** A column, and from it down through structs. */
  | { readonly op: 'column'; readonly path: readonly string[] }
  | { readonly op: 'field'; readonly of: Expression; readonly name: string }
  /** The element of the enclosing `map` or `filter`. */
  | { readonly op: 'variable'; readonly name: string }
  /** A 64-bit integer is carried as text, since JSON has none. */
  | { readonly op: 'literal'; readonly type: LiteralType; readonly value: string | number | boolean | null }
  | { readonly op: 'call'; readonly name: FunctionName; readonly args: readonly Expression[] }
  | { readonly op: 'cast'; readonly of: Expression; readonly to: DataType; readonly lenient: boolean }
  | { readonly op: 'case'; readonly branches: readonly CaseBranch[]; readonly otherwise: Expression }
  | { readonly op: 'struct'; readonly fields: readonly NamedExpression[] }
  | ({ readonly op: 'each'; readonly kind: 'map' | 'filter' } & EachParts)
  /** `pointer` is a JSON pointer (RFC 6901). */
  | { readonly op: 'json-get'; readonly of: Expression; readonly pointer: string; readonly to: DataType }
  | ParsedJson

type EachParts = { readonly list: Expression; readonly variable: string; readonly body: Expression }

/**
 * What a typed parse needs of a document: its text, the judge's answer about it (`operators/parse/judge.ts`), and the
 * document itself in a declared shape.
 */
export type ParsedJson =
  | { readonly op: 'utf8'; readonly of: Expression }
  /** `spec` is the judge's `ShapeSpec`, as JSON. */
  | { readonly op: 'json-judge'; readonly of: Expression; readonly spec: string }
  | { readonly op: 'json-shape'; readonly of: Expression; readonly to: DataType }

/** What a literal is; `null` fits every type. */
export type LiteralType = 'long' | 'double' | 'string' | 'boolean' | 'null'

/** The first branch whose condition is true gives the value. */
export type CaseBranch = { readonly when: Expression; readonly value: Expression }

/** A column and what it holds. */
export type NamedExpression = { readonly name: string; readonly value: Expression }

/** Every function of the tree; what each promises is said where it is made, in functions.ts. */
export type FunctionName =
  | 'eq'
  | 'ne'
  | 'lt'
  | 'le'
  | 'gt'
  | 'ge'
  | 'is-distinct'
  | 'is-null'
  | 'and'
  | 'or'
  | 'not'
  | 'add'
  | 'subtract'
  | 'multiply'
  | 'divide'
  | 'modulo'
  | 'coalesce'
  | 'null-if'
  | 'concat'
  | 'lower'
  | 'upper'
  | 'trim'
  | 'length'
  | 'substring'
  | 'matches'
  | 'to-text'
  | 'hash-text'
  | 'date-of'
  | 'year-of'
  | 'epoch-micros'
  | 'list'
  | 'list-concat'
  | 'list-flatten'
  | 'list-sorted'
  | 'list-distinct'
  | 'list-join'
  | 'list-length'
  | 'list-contains'
  | 'list-get'
  /** A condition that the engine must evaluate where it stands, not move nearer to the data and evaluate again. */
  | 'in-place'
  /** The same, for the condition on which a step takes a row: rows for which it is not true are counted. */
  | 'judged'
  /** Always true: rows for which its condition is true are counted. */
  | 'noted'

/** The expressions directly inside one. */
export function childrenOf(expression: Expression): readonly Expression[] {
  switch (expression.op) {
    case 'column':
    case 'variable':
    case 'literal':
      return []
    case 'call':
      return expression.args
    case 'case':
      return [...expression.branches.flatMap(({ when, value }) => [when, value]), expression.otherwise]
    case 'struct':
      return expression.fields.map((field) => field.value)
    case 'each':
      return [expression.list, expression.body]
    default:
      return [expression.of]
  }
}

/** The same expression with every part directly inside it replaced. */
export function mapChildren(expression: Expression, change: (child: Expression) => Expression): Expression {
  switch (expression.op) {
    case 'column':
    case 'variable':
    case 'literal':
      return expression
    case 'call':
      return { ...expression, args: expression.args.map(change) }
    case 'case':
      return {
        ...expression,
        branches: expression.branches.map(({ when, value }) => ({ when: change(when), value: change(value) })),
        otherwise: change(expression.otherwise),
      }
    case 'struct':
      return { ...expression, fields: expression.fields.map(({ name, value }) => ({ name, value: change(value) })) }
    case 'each':
      return { ...expression, list: change(expression.list), body: change(expression.body) }
    default:
      return { ...expression, of: change(expression.of) }
  }
}
