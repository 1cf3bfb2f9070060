/** Vectors of different embedders are never compared. */
import type { Embedder } from '../../engine/embedder.ts'
import { MillraceError } from '../../engine/errors.ts'

/** What identifies vectors that may be compared. */
export type EmbedderIdentity = Pick<Embedder, 'id' | 'dimension'>

/** A namespace and the embedder that all its vectors are of. */
export interface StoredNamespace extends EmbedderIdentity {
  readonly namespace: string
}

/** `SINK_FAILED` if vectors of `embedder` cannot be compared with those of the namespace. */
export function checkEmbedder(stored: StoredNamespace, embedder: EmbedderIdentity): void {
  if (stored.id === embedder.id && stored.dimension === embedder.dimension) return
  throw new MillraceError(
    'SINK_FAILED',
    `vector namespace ${stored.namespace} holds vectors of ${stored.id} (${stored.dimension} dimensions), not of ` +
      `${embedder.id} (${embedder.dimension} dimensions) (use another namespace, or delete this one and run again)`,
    { context: { namespace: stored.namespace, stored: stored.id, embedder: embedder.id } },
  )
}
