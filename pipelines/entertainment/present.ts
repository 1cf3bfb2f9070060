/** Texts that are there and say nothing. */
import { caseWhen, type Expression, gt, trim } from '../../operators/index.ts'

/** A text that says something: null where it is empty, blank, or begins with a control character. Spaces around it do not count. */
export function present(text: Expression): Expression {
  return caseWhen([[gt(trim(text), ' '), trim(text)]])
}
