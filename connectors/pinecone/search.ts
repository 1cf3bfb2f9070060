/** Semantic search over an index of Pinecone. */
import { MillraceError } from '../../engine/errors.ts'
import { checkEmbedder } from '../vectors/embedder-identity.ts'
import { fused, heaviestFirst } from '../vectors/fusion.ts'
import type { Match, SearchOptions, VectorStore } from '../vectors/store.ts'
import type { PineconeIndex } from './client.ts'
import { isNoted, ownNamespace, storedEmbedder } from './embedder-record.ts'
import { filterOf } from './filter.ts'
import { fold, foldedName, shownMetadata } from './records.ts'

/** The most that a query may ask for. */
const mostMatches = 10_000

/**
 * The index for queries; those that read see what was written some moments before. By name it finds whole titles alone, in any case, with the accents and
 * the punctuation that they have.
 */
export function pineconeStore(index: PineconeIndex): VectorStore {
  const counts = async (): Promise<ReadonlyMap<string, number>> => {
    const all = await index.counts()
    return new Map([...all].filter(([name]) => name !== ownNamespace).sort(([a], [b]) => compare(a, b)))
  }
  return {
    texts: async () => null,
    counts: async () => ((await index.shape()) === null ? new Map() : counts()),
    search(vector, options) {
      const { signal } = options
      return signal === undefined ? search(vector, options) : index.during(signal, () => search(vector, options))
    },
  }

  async function search(
    vector: Float32Array,
    { topK, namespace, where = {}, embedder, title, leastScore = Number.NEGATIVE_INFINITY }: SearchOptions,
  ): Promise<Match[]> {
    if ((await index.shape()) === null) throw notFound(`pinecone index not found: ${index.settings.index}`)
    const [stored, spaces] = await Promise.all([storedEmbedder(index), counts()])
    if (stored !== null) checkEmbedder({ namespace: index.settings.index, ...stored }, embedder)
    const there = [...spaces.keys()]
    if (namespace !== undefined && !there.includes(namespace)) {
      if (await isNoted(index, namespace)) return []
      throw notFound(`vector namespace not found: ${namespace}; there are: ${there.join(', ') || 'none'}`)
    }
    if (vector.every((value) => value === 0)) return []
    const filter = filterOf(where)
    const find = async (name: string, filter: object | undefined): Promise<Match[]> => {
      const options = { topK: Math.min(Math.floor(topK), mostMatches), ...(filter === undefined ? {} : { filter }) }
      return (await index.query(name, [...vector], options)).map(({ id, score, metadata }) => ({
        namespace: name,
        id,
        score,
        metadata: shownMetadata(metadata),
      }))
    }
    const names = namespace === undefined ? there : [namespace]
    const [near, exact] = await Promise.all([
      Promise.all(names.map((name) => find(name, filter))),
      title === undefined ? [] : Promise.all(names.map((name) => find(name, titleFilter(title, filter)))),
    ])
    const similar = near.flat().filter(({ score }) => score >= leastScore)
    const named = title === undefined ? [] : exact.flat().sort(byScore).sort(heaviestFirst(title))
    return fused({ exact: named, words: [], near: similar.sort(byScore).slice(0, topK) }, topK)
  }
}

/** Vectors with a title that is the text, in any case. */
function titleFilter({ columns, text }: NonNullable<SearchOptions['title']>, filter: object | undefined): object {
  const titled = { $or: columns.map((column) => ({ [foldedName(column)]: { $eq: fold(text.trim()) } })) }
  return filter === undefined ? titled : { $and: [filter, titled] }
}

function notFound(message: string): MillraceError {
  return new MillraceError('TABLE_NOT_FOUND', `${message} (run a pipeline that fills it first)`)
}

function byScore(a: Match, b: Match): number {
  return b.score - a.score || compare(a.namespace, b.namespace) || compare(a.id, b.id)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
