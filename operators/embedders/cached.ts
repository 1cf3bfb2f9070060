/** An embedder in front of which vectors are kept: an unchanged text is never embedded twice. */
import type { EmbeddedPart, Embedder } from '../../engine/embedder.ts'
import type { VectorCache } from './vector-cache.ts'

/**
 * Looks texts up before the embedder is asked, and keeps each vector as soon as it is there: what a call that fails has made, the next
 * one finds. Equal texts of one call are embedded once. Two threads that meet a text for the first time at the same moment may both embed
 * it; the vector that is kept last counts from then on. Questions are not kept.
 */
export function cachedEmbedder(embedder: Embedder, cache: VectorCache): Embedder {
  return {
    ...embedder,
    async embed(texts, { signal, onVectors } = {}) {
      const kept = cache.get(texts)
      const missing = new Map<string, number[]>()
      for (const [place, text] of texts.entries())
        if (kept[place] === undefined) missing.set(text, [...(missing.get(text) ?? []), place])
      tellKept(kept, onVectors)
      if (missing.size === 0) return kept as Float32Array[]
      const asked = [...missing.keys()]
      await embedder.embed(asked, {
        ...(signal === undefined ? {} : { signal }),
        onVectors({ places, vectors, cached }) {
          const made = places.map((place) => asked[place]!)
          cache.put(made, vectors)
          const all = made.flatMap((text, i) => missing.get(text)!.map((place) => ({ place, vector: vectors[i]! })))
          for (const { place, vector } of all) kept[place] = vector
          onVectors?.({ places: all.map(({ place }) => place), vectors: all.map(({ vector }) => vector), cached })
        },
      })
      return kept as Float32Array[]
    },
  }
}

function tellKept(kept: readonly (Float32Array | undefined)[], onVectors?: (part: EmbeddedPart) => void): void {
  const places = [...kept.keys()].filter((place) => kept[place] !== undefined)
  if (places.length > 0) onVectors?.({ places, vectors: places.map((place) => kept[place]!), cached: true })
}
