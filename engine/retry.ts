/** Retrying what may pass: how long to wait between tries, and for how long to go on. */
import { endedOrLeft } from './abandon.ts'
import type { Clock, Ids } from './contracts.ts'
import { formatDuration } from './duration.ts'
import { MillraceError } from './errors.ts'

/** Growing waits between tries. */
export interface Backoff {
  readonly firstDelayMs: number
  readonly maxDelayMs: number
}

/** How patient runs are: for how long a failure that may pass is retried, counted from the first failure in a row. */
export interface RetryPolicy extends Backoff {
  /** In a run that goes on until it is stopped. */
  readonly streamingMs: number
  /** In a run that ends by itself. */
  readonly endingMs: number
}

/** A stream outlasts the restart of a service; a run that ends has somebody who starts it again. */
export const defaultRetryPolicy: RetryPolicy = {
  streamingMs: 15 * 60_000,
  endingMs: 60_000,
  firstDelayMs: 100,
  maxDelayMs: 10_000,
}

/** Tries before giving up, however long each takes, unless nothing is to be retried at all. */
const leastTries = 3

/**
 * Exponential backoff with full jitter: uniform between 0 and `firstDelayMs * 2^(attempt-1)`, capped.
 * @param attempt 1 for the first retry
 * @param random in [0, 1)
 */
export function retryDelayMs(backoff: Backoff, attempt: number, random: number): number {
  const ceiling = Math.min(backoff.maxDelayMs, backoff.firstDelayMs * 2 ** Math.min(30, attempt - 1))
  return Math.floor(random * ceiling)
}

/** A retry that is about to be waited for. */
export interface Retry {
  /** Tries that have failed in a row. */
  readonly attempt: number
  readonly delayMs: number
  /** Since the first failure in a row. */
  readonly waitedMs: number
  /** Until retrying ends. */
  readonly leftMs: number
  readonly error: MillraceError
}

/** What {@link withRetries} waits with, and whom it tells. */
export interface Retries {
  readonly backoff: Backoff
  /** How long failures in a row are retried; 0: not at all. */
  readonly forMs: number
  readonly clock: Clock
  readonly ids: Ids
  /** Ends the waiting between tries. */
  readonly stop: AbortSignal
  /** Ends a try: what fails after this is not tried again, and what does not end is left behind. */
  readonly abandon: AbortSignal
  /** Called before each wait. */
  onRetry(retry: Retry): void
}

/**
 * Runs `work` until it succeeds, waiting between tries; null where the run was stopped instead. What is not retryable,
 * or goes on failing for too long, is thrown.
 */
export async function withRetries<T>(work: () => Promise<T>, retries: Retries): Promise<T | null> {
  const { clock, ids, stop, abandon, backoff } = retries
  let firstFailureMs: number | null = null
  for (let attempt = 1; ; attempt += 1) {
    try {
      const ended = await endedOrLeft(work(), abandon, clock)
      return ended === null ? null : ended.value
    } catch (error) {
      if (abandon.aborted) return null
      if (!(error instanceof MillraceError) || !error.retryable) throw error
      if (stop.aborted) return null
      const nowMs = clock.nowMs()
      firstFailureMs ??= nowMs
      const waitedMs = Math.max(0, nowMs - firstFailureMs)
      const leftMs = Math.max(0, retries.forMs - waitedMs)
      if (leftMs === 0 && (attempt >= leastTries || retries.forMs === 0)) throw gaveUp(error, attempt, waitedMs)
      const wishedMs = retryDelayMs(backoff, attempt, ids.random())
      const delayMs = leftMs === 0 ? wishedMs : Math.min(wishedMs, leftMs) // the last try is at the end of the time
      retries.onRetry({ attempt, delayMs, waitedMs, leftMs, error })
      await clock.sleep(delayMs, stop)
      if (stop.aborted) return null
    }
  }
}

function gaveUp(error: MillraceError, tries: number, waitedMs: number): MillraceError {
  const often = tries === 1 ? 'it was not retried' : `gave up after ${tries} tries in ${formatDuration(waitedMs)}`
  return new MillraceError(error.code, `${error.message} (${often})`, { cause: error, context: error.context })
}
