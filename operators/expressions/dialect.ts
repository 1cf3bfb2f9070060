/** What a language that expressions are rendered into must give. */
import type { DataType } from '../../engine/schema.ts'
import type { Expression } from './tree.ts'

/**
 * Rendering of checked expressions into one engine's text. Every name and value is quoted: what they hold is never
 * read as language.
 */
export interface Dialect {
  readonly name: string
  /** `relation` is the quoted alias that columns belong to. */
  expression(expression: Expression, relation: string): string
  identifier(name: string): string
  type(type: DataType): string
}
