/** What an expression looks like, wherever it came from. */
import { dataType } from '../../engine/data-type-shape.ts'
import {
  choiceOf,
  flag,
  isObject,
  lazy,
  listOf,
  objectOf,
  oneOfTexts,
  type Shape,
  shapeOf,
  text,
} from '../../engine/shape.ts'
import type { Expression, LiteralType } from './tree.ts'

const what = 'an expression (col, lit, eq, …)'

/** An expression tree. */
export const expression: Shape = lazy(what, () => anyExpression)

/** Names with their expressions, as steps hold them. */
const named = listOf(objectOf({ name: shapeOf('a text', isText), value: expression }))

const parsed = { of: expression, to: dataType }

/** Every form of the tree, by its `op`. */
const forms: { readonly [op in Expression['op']]: { readonly [part: string]: Shape } } = {
  column: { path: listOf(shapeOf('a text', isText), 1) },
  field: { of: expression, name: text },
  variable: { name: text },
  literal: {
    type: oneOfTexts('long', 'double', 'string', 'boolean', 'null' satisfies LiteralType),
    value: shapeOf(
      'a text, a number, true, false or null',
      (value) => value === null || typeof value === 'boolean' || isText(value) || Number.isFinite(value),
    ),
  },
  call: { name: text, args: listOf(expression) },
  cast: { ...parsed, lenient: flag },
  case: { branches: listOf(objectOf({ when: expression, value: expression })), otherwise: expression },
  struct: { fields: named },
  each: { kind: oneOfTexts('map', 'filter'), list: expression, variable: text, body: expression },
  'json-get': { ...parsed, pointer: shapeOf('a text', isText) },
  utf8: { of: expression },
  'json-judge': { of: expression, spec: text },
  'json-shape': parsed,
}

const anyExpression = choiceOf(
  what,
  Object.entries(forms).map(([op, parts]) => ({
    is: (value: unknown) => isObject(value) && value.op === op,
    shape: objectOf({ op: oneOfTexts(op), ...parts }),
  })),
)

function isText(value: unknown): boolean {
  return typeof value === 'string'
}
