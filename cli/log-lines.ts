/** One JSON line per batch, and per event that somebody should see: a subscriber of the engine's events. */
import type { Observer } from 'rxjs'
import { MillraceError, messageOf } from '../engine/errors.ts'
import type { PipelineEvent } from '../engine/events.ts'

type Level = 'info' | 'warn' | 'error'

/** Writes lines through `write`, which adds the newline. Failures arrive as events; the stream's own error is theirs. */
export function logLines(write: (line: string) => void, nowMs: () => number): Partial<Observer<PipelineEvent>> {
  const log = (level: Level, fields: Record<string, unknown>) =>
    write(
      JSON.stringify({ time: new Date(nowMs()).toISOString(), level, ...fields }, (_, value) =>
        typeof value === 'bigint' ? String(value) : value,
      ),
    )
  return {
    next(event) {
      switch (event.type) {
        case 'committed': {
          const primary = event.sinks.at(-1)
          log('info', {
            pipeline: event.pipeline,
            outcome: event.replay ? 'replayed' : 'committed',
            ranges: Object.fromEntries(event.ranges.map((r) => [r.sourcePartition, [r.start, r.end]])),
            rowsIn: event.rowsIn,
            rowsOut: event.rowsOut,
            deadLetters: event.deadLetters,
            ...(event.violations > 0 ? { violations: event.violations } : {}),
            durationMs: Math.round(event.durationMs),
            lagRecords: event.lagRecords,
            ...(primary?.version === undefined ? {} : { tableVersion: primary.version }),
            written: primary?.written,
          })
          return
        }
        case 'fenced':
          log('info', { pipeline: event.pipeline, outcome: 'fenced', sink: event.sink })
          return
        case 'retried':
          log('warn', {
            pipeline: event.pipeline,
            outcome: 'retried',
            attempt: event.attempt,
            delayMs: event.delayMs,
            code: event.error.code,
            message: event.error.message,
          })
          return
        case 'failed':
          log('error', {
            pipeline: event.pipeline,
            outcome: 'failed',
            ...(event.error instanceof MillraceError ? { code: event.error.code } : {}),
            message: messageOf(event.error),
          })
          return
        case 'stopped':
          log('info', { pipeline: event.pipeline, outcome: 'stopped', reason: event.reason })
          return
        case 'planned':
          return
      }
    },
  }
}
