/** `vectors({...})`: embedded texts for semantic search. Data only. */
import type { SinkDescription } from '../../engine/contracts.ts'
import { examine, objectOf, optional, text } from '../../engine/shape.ts'

export interface VectorsOptions {
  /** Set of vectors that are searched together, all of one embedder: `movies`. */
  readonly namespace: string
  /**
   * Step that gives vectors to insert or replace: columns `id` (string), `embedding` (array of floats) and whatever
   * else shall be found with them (`text`, `title`, `year`, ...).
   */
  readonly upserts: string
  /** Step that gives the `id`s to delete. */
  readonly deletes?: string
  /**
   * Step that gives the `id`s of everything that could have led to a write, once each: those that are neither upserted nor deleted
   * are counted as `skipped`. For the counters alone.
   */
  readonly considered?: string
  /** Embedder that made the vectors: `default` is the one that is configured, `local` the one that needs no model. */
  readonly embedder: string
}

const shape = objectOf({
  namespace: text,
  upserts: text,
  deletes: optional(text),
  considered: optional(text),
  embedder: text,
})

/** Vectors in a search store, by id. Inputs are named like the steps that feed them. */
export function vectors(options: VectorsOptions): SinkDescription {
  const { value, problems } = examine(options, shape, 'vectors')
  if (problems !== undefined) return { kind: 'vectors', writes: 'store:vectors', inputs: {}, options: {}, problems }
  const steps = [value.upserts, value.deletes, value.considered].filter((step) => step !== undefined)
  return {
    kind: 'vectors',
    writes: `store:vectors/${value.namespace}`,
    inputs: Object.fromEntries(steps.map((step) => [step, step])),
    options: { ...value },
  }
}
