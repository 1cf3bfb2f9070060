/** Texts become vectors, in a column of their own. */
import type { Step } from '../engine/contracts.ts'

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
export function embed(id: string, { from, ...options }: EmbedOptions): Step {
  return {
    id,
    kind: 'embed',
    executor: 'columns',
    ...(from === undefined ? {} : { from: [from] }),
    rejects: false,
    slow: true,
    options,
  }
}
