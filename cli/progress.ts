/** Progress bars with rate and lag on a terminal: a subscriber of the engine's events. */
import { MultiBar, type SingleBar } from 'cli-progress'
import type { Observer } from 'rxjs'
import type { PipelineEvent } from '../engine/events.ts'
import { embeddedSoFar, retrying } from './log-lines.ts'

/** One bar a pipeline, that moves with the records read; call `stop` at the end. */
export function progressBars(stream: NodeJS.WriteStream): Partial<Observer<PipelineEvent>> & { stop(): void } {
  const bars = new MultiBar({
    stream,
    format: '{pipeline} {bar} {value}/{total} records  {rate}/s  lag {lag}  dead letters {deadLetters}  {activity}',
    hideCursor: true,
    clearOnComplete: false,
    barsize: 24,
  })
  const state = new Map<string, { bar: SingleBar; done: number; busyMs: number; deadLetters: number }>()
  const of = (pipeline: string) => {
    let entry = state.get(pipeline)
    if (entry === undefined) {
      const bar = bars.create(0, 0, { pipeline: pipeline.padEnd(18), rate: 0, lag: 0, deadLetters: 0, activity: '' })
      entry = { bar, done: 0, busyMs: 0, deadLetters: 0 }
      state.set(pipeline, entry)
    }
    return entry
  }
  return {
    next(event) {
      const entry = of(event.pipeline)
      if (event.type === 'planned') {
        entry.bar.setTotal(entry.done + event.lagRecords)
        entry.bar.update(entry.done, { lag: event.lagRecords })
      } else if (event.type === 'embedding') {
        entry.bar.update(entry.done, { activity: embeddedSoFar(event) })
      } else if (event.type === 'committed') {
        entry.done += event.rowsIn
        entry.busyMs += event.durationMs
        entry.deadLetters += event.deadLetters
        entry.bar.setTotal(entry.done + event.lagRecords)
        entry.bar.update(entry.done, {
          rate: Math.round((entry.done * 1000) / Math.max(1, entry.busyMs)),
          lag: event.lagRecords,
          deadLetters: entry.deadLetters,
          activity: '',
        })
      } else if (event.type === 'retried') bars.log(`${event.pipeline}: ${retrying(event)}\n`)
      else if (event.type === 'stopped') entry.bar.stop()
    },
    stop: () => bars.stop(),
  }
}
