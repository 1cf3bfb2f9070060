/** Texts become vectors, in a column of their own. */
import type { Step } from '../engine/contracts.ts'
import { examine, objectOf, optional, text } from '../engine/shape.ts'

export interface EmbedOptions {
  /** Column with the text. */
  readonly text: string
  /** New column, array of floats; null where the text is null. */
  readonly into: string
  /** The embedder: `default` is the one that is configured, `local` the one that needs no model. */
  readonly embedder: string
  readonly from?: string
}

/** A step that adds the vector of each text. All other columns stay as they are. */
export function embed(id: string, options: EmbedOptions): Step {
  const { value, problems } = examine(options, shape)
  const step = { id, kind: 'embed', executor: 'columns', rejects: false, slow: true } as const
  if (problems !== undefined) return { ...step, options: {}, problems }
  const { from, ...rest } = value
  return { ...step, ...(from === undefined ? {} : { from: [from] }), options: rest }
}

const shape = objectOf({ text, into: text, embedder: text, from: optional(text) })
