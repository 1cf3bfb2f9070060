/** One JSON line per batch, and per event that somebody should see: a subscriber of the engine's events. */
import type { Observer } from 'rxjs'
import type { TornTail } from '../connectors/file-log/tail.ts'
import type { Range } from '../engine/contracts.ts'
import { formatDuration } from '../engine/duration.ts'
import { MillraceError, messageOf } from '../engine/errors.ts'
import type { PipelineEvent } from '../engine/events.ts'
import type { StoreWait } from '../engine/shared-file/waiting.ts'

type Level = 'info' | 'warn' | 'error'

/** The line about something that went wrong beside the commits of a table. */
export function upkeepLine(table: string, error: unknown, nowMs: number): string {
  const code = error instanceof MillraceError ? { code: error.code } : {}
  const fields = { table, outcome: 'upkeep-failed', ...code, message: messageOf(error) }
  return warning(fields, nowMs)
}

/** A store that a program of others has open, in words. */
export function storeWaitText({ path, holder, waitedMs }: StoreWait): string {
  return `store ${path} is held by ${holder}: waiting, for ${Math.round(waitedMs / 1000)} s now`
}

/** The line about a store that a program of others has open. */
export function storeWaitLine(wait: StoreWait, nowMs: number): string {
  const { path, holder, waitedMs } = wait
  const message = storeWaitText(wait)
  const fields = { store: path, outcome: 'store-held', holder, waitedMs: Math.round(waitedMs), message }
  return warning(fields, nowMs)
}

/** What a crash left at the end of a partition, in words. */
export function tornTailText({ topic, partition, offset, bytes, bytePosition, file, cut }: TornTail): string {
  const what = `topic ${topic} partition ${partition}: a write of offset ${offset} on was cut short, and its records were never acknowledged`
  return `${what}: ${bytes} bytes at byte ${bytePosition} of ${file} ${cut ? 'are cut off' : 'stand there until the next write'}`
}

/** The line about what a crash left at the end of a partition. */
export function tornTailLine(tail: TornTail, nowMs: number): string {
  const { topic, partition, offset, bytes, bytePosition, file, cut } = tail
  const place = { topic, partition, offset: String(offset), bytes, bytePosition, file, cut }
  const fields = { outcome: 'log-torn', ...place, message: tornTailText(tail) }
  return warning(fields, nowMs)
}

function warning(fields: Readonly<Record<string, unknown>>, nowMs: number): string {
  return JSON.stringify({ time: new Date(nowMs).toISOString(), level: 'warn', ...fields })
}

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
            ranges: rangesOf(event.ranges),
            rowsIn: event.rowsIn,
            rowsOut: event.rowsOut,
            deadLetters: event.deadLetters,
            ...(event.violations > 0 ? { violations: event.violations } : {}),
            ...(event.embedded === undefined ? {} : { embedded: event.embedded }),
            durationMs: Math.round(event.durationMs),
            lagRecords: event.lagRecords,
            ...(primary?.version === undefined ? {} : { tableVersion: primary.version }),
            written: primary?.written,
          })
          return
        }
        case 'embedding':
          log('info', {
            pipeline: event.pipeline,
            outcome: 'embedding',
            step: event.step,
            message: embeddedSoFar(event),
          })
          return
        case 'refused': {
          const { pipeline, sink, rows, message, row, setAside } = event
          log('warn', { pipeline, outcome: 'rows-refused', sink, rows, setAside, message, row })
          return
        }
        case 'taken-back': {
          const { pipeline, sink, ranges, kept } = event
          log('warn', { pipeline, outcome: 'taken-back', sink, ranges: rangesOf(ranges), rowsKept: kept })
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
            waitedMs: event.waitedMs,
            leftMs: event.leftMs,
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
        case 'source-missing':
          for (const { what, optional, advice } of event.missing) {
            const message = `${what} is not there${optional ? '' : ': waiting for it'} (${advice})`
            log('warn', { pipeline: event.pipeline, outcome: event.type, message })
          }
          return
        case 'input-behind':
          log('warn', {
            pipeline: event.pipeline,
            outcome: event.type,
            failed: event.failed,
            message:
              'its input is not up to date: pipelines that write it have failed; it goes on with what is committed',
          })
          return
        case 'not-closed':
        case 'offsets-not-told':
          log('warn', { pipeline: event.pipeline, outcome: event.type, message: messageOf(event.error) })
          return
        case 'planned':
          if (event.missing.length > 0)
            log('warn', { pipeline: event.pipeline, outcome: 'data-lost', ranges: rangesOf(event.missing) })
          return
      }
    },
  }
}

/** `embedded 120 of 4000`. */
export function embeddedSoFar({ embedded, of }: Extract<PipelineEvent, { type: 'embedding' }>): string {
  return `embedded ${embedded}${of === null ? '' : ` of ${of}`}`
}

/** `retrying in 3 s (4 failures in 12 s, 14 min left): ...`. */
export function retrying({
  attempt,
  delayMs,
  waitedMs,
  leftMs,
  error,
}: Extract<PipelineEvent, { type: 'retried' }>): string {
  const failures = attempt === 1 ? 'first failure' : `${attempt} failures in ${formatDuration(waitedMs)}`
  return `retrying in ${formatDuration(delayMs)} (${failures}, ${formatDuration(leftMs)} left): ${error.message}`
}

function rangesOf(ranges: readonly Range[]): Record<string, readonly [bigint, bigint]> {
  return Object.fromEntries(ranges.map(({ sourcePartition, start, end }) => [sourcePartition, [start, end]]))
}
