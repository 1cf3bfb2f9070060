/** What the vectors of an index were embedded with: a record beside the positions, since an index itself can only say its dimension. */
import { MillraceError } from '../../engine/errors.ts'
import { checkEmbedder, type EmbedderIdentity } from '../vectors/embedder-identity.ts'
import type { PineconeIndex } from './client.ts'

/** Namespace of what is no vector of a user: positions, and the embedder. */
export const ownNamespace = '_millrace'

const recordId = 'embedder'

/** Something must be there, and not all zero. */
export function placeholder(dimension: number): number[] {
  return Array.from({ length: dimension }, (_, i) => (i === 0 ? 1 : 0))
}

/** `missing`: there is no such index. `unnoted`: there is one that fits, of which nobody has said yet what embeds for it. */
export type IndexState = 'missing' | 'unnoted' | 'ready'

/**
 * Whether the index is there, and fits the embedder. `PINECONE_REFUSED` for one of another dimension or metric, `SINK_FAILED` for one that
 * holds vectors of another embedder.
 */
export async function checkIndex(index: PineconeIndex, embedder: EmbedderIdentity): Promise<IndexState> {
  const shape = await index.shape()
  if (shape === null) return 'missing'
  const { settings } = index
  if (shape.dimension !== embedder.dimension || shape.metric !== 'cosine')
    throw new MillraceError(
      'PINECONE_REFUSED',
      `pinecone index ${settings.index} has ${shape.dimension} dimensions and metric ${shape.metric}, embedder ${embedder.id} gives ` +
        `${embedder.dimension} for cosine (name another index in PINECONE_INDEX, or delete this one and run again)`,
      { context: { index: settings.index, embedder: embedder.id } },
    )
  const stored = await storedEmbedder(index)
  if (stored === null) return 'unnoted'
  checkEmbedder({ namespace: settings.index, ...stored }, embedder)
  return 'ready'
}

/** Null before the first commit. */
export async function storedEmbedder(index: PineconeIndex): Promise<EmbedderIdentity | null> {
  const [record] = await index.fetch(ownNamespace, [recordId])
  if (record === undefined) return null
  return { id: String(record.metadata.embedder), dimension: Number(record.metadata.dimension) }
}

/** Notes a namespace that a pipeline keeps although it has no vector yet: Pinecone itself knows none without one. */
export async function noteNamespace(
  index: PineconeIndex,
  { namespace, dimension }: { readonly namespace: string; readonly dimension: number },
): Promise<void> {
  const record = { id: namespaceId(namespace), values: placeholder(dimension), metadata: { namespace } }
  await index.upsert(ownNamespace, [JSON.stringify(record)])
}

/** Whether a namespace was noted. */
export async function isNoted(index: PineconeIndex, namespace: string): Promise<boolean> {
  return (await index.fetch(ownNamespace, [namespaceId(namespace)])).length > 0
}

function namespaceId(namespace: string): string {
  return `namespace/${namespace}`
}

/** Makes the index where it is missing, and notes the embedder. */
export async function prepareIndex(index: PineconeIndex, embedder: EmbedderIdentity, found: IndexState): Promise<void> {
  if (found === 'ready') return
  if (found === 'missing') {
    await index.create(embedder.dimension)
    if ((await checkIndex(index, embedder)) === 'ready') return // somebody else was quicker
  }
  const { id, dimension } = embedder
  const metadata = { embedder: id, dimension }
  await index.upsert(ownNamespace, [JSON.stringify({ id: recordId, values: placeholder(dimension), metadata })])
}
