/** What makers of expressions are given, where they need it at once: the rest of a tree is looked at where a step is made of it. */
import { MillraceError } from '../../engine/errors.ts'
import { examine, type Shape, shapeOf } from '../../engine/shape.ts'

/** Whatever it is: it becomes a part of a tree. */
export const anything = shapeOf('anything', () => true)

/** A function of the author's. */
export const aFunction = shapeOf('a function of an element', (value) => typeof value === 'function')

/** `DEFINITION_INVALID` for what is not as it must be to make an expression of it. */
export function insist(given: unknown, shape: Shape, name: string): void {
  const { problems } = examine(given, shape, name)
  if (problems !== undefined) throw new MillraceError('DEFINITION_INVALID', problems.join('; '), { problems })
}
