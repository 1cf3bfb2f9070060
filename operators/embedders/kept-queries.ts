/** An embedder that keeps the vectors of the last questions: many ask the same. */
import type { Embedder } from '../../engine/embedder.ts'

const mostQueries = 1_000
/** Longer questions are seldom put twice. */
const longestQuery = 1_000

/** Embeds a question again only when a thousand others came since it was put last. */
export function withKeptQueries(embedder: Embedder): Embedder {
  const kept = new Map<string, Float32Array>()
  return {
    ...embedder,
    async embedQuery(text, options) {
      const known = kept.get(text)
      const vector = known ?? (await embedder.embedQuery(text, options))
      if (text.length > longestQuery) return vector
      kept.delete(text)
      kept.set(text, vector) // the last of the map is the one that was put last
      if (kept.size > mostQueries) kept.delete(kept.keys().next().value!)
      return vector
    },
  }
}
