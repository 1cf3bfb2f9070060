/** Semantic search over an index of Pinecone. */
import { MillraceError } from '../../engine/errors.ts'
import { checkEmbedder } from '../vectors/embedder-identity.ts'
import type { Match, MetadataFilter, VectorStore } from '../vectors/store.ts'
import type { PineconeIndex } from './client.ts'
import { ownNamespace, storedEmbedder } from './embedder-record.ts'
import { fold, foldedName, shownMetadata } from './records.ts'

/** The index for queries; those that read see what was written some moments before. */
export function pineconeStore(index: PineconeIndex): VectorStore {
  const counts = async (): Promise<ReadonlyMap<string, number>> => {
    if ((await index.shape()) === null) return new Map()
    const all = await index.counts()
    return new Map([...all].filter(([name]) => name !== ownNamespace).sort(([a], [b]) => (a < b ? -1 : 1)))
  }
  return {
    counts,
    async search(vector, { topK, namespace, where, embedder }) {
      if ((await index.shape()) === null) throw notFound(`pinecone index not found: ${index.settings.index}`)
      const stored = await storedEmbedder(index)
      if (stored !== null) checkEmbedder({ namespace: index.settings.index, ...stored }, embedder)
      const there = [...(await counts()).keys()]
      if (namespace !== undefined && !there.includes(namespace))
        throw notFound(`vector namespace not found: ${namespace}; there are: ${there.join(', ') || 'none'}`)
      if (vector.every((value) => value === 0)) return []
      const filter = where === undefined ? {} : { filter: filterOf(where) }
      const found: Match[] = []
      for (const name of namespace === undefined ? there : [namespace])
        for (const { id, score, metadata } of await index.query(name, [...vector], {
          topK: Math.floor(topK),
          ...filter,
        }))
          found.push({ namespace: name, id, score, metadata: shownMetadata(metadata) })
      return found.sort(byScore).slice(0, topK)
    },
  }
}

function notFound(message: string): MillraceError {
  return new MillraceError('TABLE_NOT_FOUND', `${message} (run a pipeline that fills it first)`)
}

/** In Pinecone's words: https://docs.pinecone.io/guides/search/filter-by-metadata */
function filterOf(where: MetadataFilter): object {
  const conditions = Object.entries(where).map(([column, wanted]) => {
    if (typeof wanted === 'string') return { [foldedName(column)]: { $eq: fold(wanted) } }
    if (typeof wanted === 'number') return { [column]: { $eq: wanted } }
    const { from, to } = wanted
    return { [column]: { ...(from === undefined ? {} : { $gte: from }), ...(to === undefined ? {} : { $lte: to }) } }
  })
  return conditions.length > 1 ? { $and: conditions } : (conditions[0] ?? {})
}

function byScore(a: Match, b: Match): number {
  if (a.score !== b.score) return b.score - a.score
  return a.namespace === b.namespace ? (a.id < b.id ? -1 : 1) : a.namespace < b.namespace ? -1 : 1
}
