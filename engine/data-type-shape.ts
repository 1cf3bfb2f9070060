/** The shapes of columns and their types, as authors give them. */
import { isPrimitive } from './schema.ts'
import {
  choiceOf,
  isObject,
  lazy,
  listOf,
  objectOf,
  oneOfTexts,
  type Shape,
  shapeOf,
  text,
  wholeFrom,
} from './shape.ts'

const what = 'a type (string, long, double, boolean, date, timestamp, …, arrayOf, structOf)'
const of = (kind: string) => (value: unknown) => isObject(value) && value.kind === kind

/** A type of `schema.ts`. */
export const dataType: Shape = lazy(what, () => anyType)

/** A name with its type. */
export const column = objectOf({ name: text, type: dataType })

const anyType = choiceOf(what, [
  {
    is: (value) => typeof value === 'string',
    shape: shapeOf(what, (value) => isPrimitive(String(value))),
  },
  { is: of('array'), shape: objectOf({ kind: oneOfTexts('array'), element: dataType }) },
  { is: of('struct'), shape: objectOf({ kind: oneOfTexts('struct'), fields: listOf(column) }) },
  { is: of('map'), shape: objectOf({ kind: oneOfTexts('map'), key: dataType, value: dataType }) },
  {
    is: of('decimal'),
    shape: objectOf({ kind: oneOfTexts('decimal'), precision: wholeFrom(1), scale: wholeFrom(0) }),
  },
])
