/** Totals of a run: a subscriber of the engine's events, for summaries. */
import type { Observer } from 'rxjs'
import { addCounts } from '../checkpoints/totals.ts'
import type { WriteCounts } from '../engine/contracts.ts'
import type { PipelineEvent } from '../engine/events.ts'

/** Sums over the committed batches of one pipeline. */
export interface PipelineTotals {
  readonly rowsIn: number
  readonly deadLetters: number
  readonly batches: number
  /** Of the primary sink, summed over the batches. */
  readonly written: WriteCounts
}

/** Sums what pipelines did, by pipeline. */
export function runTotals(): Partial<Observer<PipelineEvent>> & { of(pipeline: string): PipelineTotals } {
  const totals = new Map<string, PipelineTotals>()
  const nothing: PipelineTotals = { rowsIn: 0, deadLetters: 0, batches: 0, written: {} }
  const of = (pipeline: string): PipelineTotals => totals.get(pipeline) ?? nothing
  return {
    of,
    next(event) {
      if (event.type !== 'committed') return
      const before = of(event.pipeline)
      totals.set(event.pipeline, {
        rowsIn: before.rowsIn + event.rowsIn,
        deadLetters: before.deadLetters + event.deadLetters,
        batches: before.batches + 1,
        written: addCounts(before.written, event.sinks.at(-1)?.written ?? {}),
      })
    },
  }
}
