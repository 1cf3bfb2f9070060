/** Counts what a task embeds, and tells of it where that takes long. */
import type { Clock, StageResult } from '../../engine/contracts.ts'
import type { TaskProgress } from '../../engine/workers/progress.ts'
import type { ChainContext } from './chain.ts'

/** Time between two reports; what is done sooner is not told of. */
const reportEveryMs = 2000

/** What a task has embedded so far. */
export interface Embedding {
  readonly add: ChainContext['onEmbedded']
  /** Nothing if no text was embedded. */
  counts(): Pick<StageResult, 'embedded'>
}

/** Tells of rows done, by step, every two seconds at most. */
export function openEmbedding(clock: Clock, onProgress: (progress: TaskProgress) => void): Embedding {
  const rowsOf = new Map<string, number>()
  let [computed, cached] = [0, 0]
  let reportedMs = clock.nowMs()
  return {
    add(step, part) {
      computed += part.computed
      cached += part.cached
      const embedded = (rowsOf.get(step) ?? 0) + part.rows
      rowsOf.set(step, embedded)
      if (clock.nowMs() - reportedMs < reportEveryMs) return
      reportedMs = clock.nowMs()
      onProgress({ step, embedded })
    },
    counts: () => (computed + cached === 0 ? {} : { embedded: { computed, cached } }),
  }
}
