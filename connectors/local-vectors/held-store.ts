/** Search over vectors of the embedded store that are kept in memory: for a process that answers many questions. */
import { setImmediate } from 'node:timers/promises'
import { deserialize } from 'node:v8'
import type { Clock } from '../../engine/contracts.ts'
import type { Connection } from '../../engine/duckdb.ts'
import type { DuckdbStore } from '../../engine/duckdb-store.ts'
import { untilAborted } from '../../engine/until-aborted.ts'
import { checkEmbedder, type StoredNamespace } from '../vectors/embedder-identity.ts'
import { fused, heaviestFirst } from '../vectors/fusion.ts'
import type { Match, MetadataFilter, SearchOptions, VectorStore } from '../vectors/store.ts'
import { conditionOf } from './filter.ts'
import { freshness } from './freshness.ts'
import { type HeldNamespaces, type HoldingOptions, heldNamespaces } from './held-namespaces.ts'
import type { Beside } from './held-vectors.ts'
import { metadataColumns, tableOf } from './namespace.ts'
import { byScore, chosen, foundIn, noHits, notFound, openVectorStore } from './search.ts'

/** A store and how it is held. Namespaces beyond the limit are searched in the store. */
export interface HeldStoreOptions extends HoldingOptions {
  readonly store: DuckdbStore
  readonly clock: Clock
}

/** Filters whose results are kept. */
const mostFilters = 256

/** What a filter lets be found, as long as the vectors are of that version. */
interface Filtered {
  readonly version: number
  /** By namespace: a byte for each slot, 1 for those that may be found. */
  readonly slots: ReadonlyMap<string, Uint8Array>
}

/**
 * The store for queries, with the results of `openVectorStore`, of a state that may be some moments old: the first search waits until the vectors
 * are read; later ones do not wait for what was committed since, which is read beside them. If that fails, the next search tries again and has
 * the error.
 */
export function openHeldStore({ store, clock, ...holding }: HeldStoreOptions): VectorStore {
  const direct = openVectorStore(store)
  const held = heldNamespaces(holding)
  const { read, current } = freshness(store, clock, held.follow)
  const filters = new Map<string, Promise<Filtered>>()

  /** What the filter lets be found of the vectors as they are at the moment at which this resolves. */
  async function filtered(where: MetadataFilter, signal: AbortSignal | undefined): Promise<Filtered['slots']> {
    const key = JSON.stringify(Object.entries(where))
    for (;;) {
      const known = filters.get(key) ?? read((connection) => slotsOf(connection, held, where))
      filters.delete(key)
      filters.set(key, known) // the last of the map is the one that was used last
      known.catch(() => filters.get(key) === known && filters.delete(key))
      if (filters.size > mostFilters) filters.delete(filters.keys().next().value!)
      const { version, slots } = await untilAborted(known, signal)
      if (version === held.version) return slots
      if (filters.get(key) === known) filters.delete(key)
    }
  }

  async function nearest(vector: Float32Array, options: SearchOptions): Promise<Match[]> {
    const { where = {}, topK, signal } = options
    const slots = Object.keys(where).length === 0 ? null : await filtered(where, signal)
    const spaces = chosen(held.stored(), options)
    for (const space of spaces) checkEmbedder(space, options.embedder)
    if (vector.every((value) => value === 0)) return []
    const { leastScore = Number.NEGATIVE_INFINITY, title } = options
    const query = { vector, topK, slots, least: leastScore }
    const near = spaces
      .flatMap((space) => nearestHeld(held, space, query))
      .sort(byScore)
      .slice(0, topK)
    const named = title === undefined ? noHits : namedHeld(held, spaces, { ...query, text: title.text })
    const large = spaces.filter(({ namespace }) => held.vectors(namespace) === null)
    const rest =
      large.length === 0
        ? noHits
        : await store.use('read', (connection) => foundIn(connection, large, vector, options), signal)
    return fused(
      {
        exact: [...named.exact, ...rest.exact].sort(heaviestFirst(holding.titles)),
        words: [...named.words, ...rest.words],
        near: [...near, ...rest.near].sort(byScore).slice(0, topK),
      },
      topK,
    )
  }

  return {
    counts: direct.counts,
    texts: direct.texts,
    async search(vector, options) {
      if (!store.exists()) throw notFound(`vector store not found: ${store.path}`)
      await untilAborted(current(), options.signal)
      // Those who hung up are heard before there is work for them: behind the events that came with the request itself.
      await setImmediate()
      await setImmediate()
      options.signal?.throwIfAborted()
      return nearest(vector, options)
    },
  }
}

interface HeldQuery {
  readonly vector: Float32Array
  readonly topK: number
  readonly least: number
  /** Null: all may be found. */
  readonly slots: Filtered['slots'] | null
}

function nearestHeld(held: HeldNamespaces, { namespace }: StoredNamespace, query: HeldQuery): Match[] {
  const vectors = held.vectors(namespace)
  const among = query.slots?.get(namespace)
  if (vectors === null || (query.slots !== null && among === undefined)) return []
  const { vector, topK, least } = query
  return vectors
    .nearest(vector, { topK, least, among })
    .map(({ slot, id, score }) => matchOf({ namespace, id, score }, vectors.beside(slot)))
}

/** What is stored beside it is read as soon as that is wanted. */
function matchOf({ namespace, id, score }: Omit<Match, 'metadata'>, { metadata, json }: Beside): Match {
  return {
    namespace,
    id,
    score,
    json,
    get metadata() {
      return deserialize(metadata) as Match['metadata']
    },
  }
}

/** What is found by name in memory. */
function namedHeld(
  held: HeldNamespaces,
  spaces: readonly StoredNamespace[],
  { vector, topK, slots, text }: HeldQuery & { readonly text: string },
): { readonly exact: readonly Match[]; readonly words: readonly Match[] } {
  const [exact, words]: [Match[], Match[]] = [[], []]
  for (const { namespace } of spaces) {
    const [vectors, titles, among] = [held.vectors(namespace), held.titles(namespace), slots?.get(namespace)]
    if (vectors === null || titles === null || (slots !== null && among === undefined)) continue
    const hits = titles.find(text, topK, (id) => among === undefined || among[vectors.slotOf(id)!] === 1)
    const found = (id: string): Match[] => {
      const slot = vectors.slotOf(id)!
      const score = vectors.score(vector, slot)
      return score === null ? [] : [matchOf({ namespace, id, score }, vectors.beside(slot))]
    }
    exact.push(...hits.exact.flatMap(found))
    words.push(...hits.words.flatMap(found))
  }
  return { exact, words }
}

/** The store itself says what a filter lets be found, of the state that is then held. */
async function slotsOf(connection: Connection, held: HeldNamespaces, where: MetadataFilter): Promise<Filtered> {
  await held.follow(connection)
  const slots = new Map<string, Uint8Array>()
  for (const { namespace } of held.stored()) {
    const vectors = held.vectors(namespace)
    const condition = conditionOf(where, await metadataColumns(connection, namespace))
    if (vectors === null || condition === null) continue
    const rows = await connection.rows(
      `SELECT id FROM ${tableOf(namespace)} WHERE ${condition.sql}`,
      condition.parameters,
    )
    const among = new Uint8Array(vectors.slots())
    for (const { id } of rows) among[vectors.slotOf(String(id))!] = 1
    slots.set(namespace, among)
  }
  return { version: held.version, slots }
}
