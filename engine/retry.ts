/** Trying again what may pass: how long to wait, and how often. */
import type { Clock, Ids } from './contracts.ts'
import { MillraceError } from './errors.ts'

/** How patient a run is. */
export interface RetryPolicy {
  /** Failures in a row after which the pipeline stops. */
  readonly attempts: number
  readonly firstDelayMs: number
  readonly maxDelayMs: number
}

/** Eight tries, with at most 13 seconds of waiting between them in all. */
export const defaultRetryPolicy: RetryPolicy = { attempts: 8, firstDelayMs: 100, maxDelayMs: 10_000 }

/**
 * Exponential backoff with full jitter: uniform between 0 and `firstDelayMs * 2^(attempt-1)`, capped.
 * @param attempt 1 for the first retry
 * @param random in [0, 1)
 */
export function retryDelayMs(policy: RetryPolicy, attempt: number, random: number): number {
  const ceiling = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** Math.min(30, attempt - 1))
  return Math.floor(random * ceiling)
}

/** What {@link withRetries} waits with, and whom it tells. */
export interface Retries {
  readonly policy: RetryPolicy
  readonly clock: Clock
  readonly ids: Ids
  /** Ends the waiting between tries. */
  readonly stop: AbortSignal
  /** Ends a try: what fails after this is not tried again. */
  readonly abandon: AbortSignal
  /** Called before each wait. */
  onRetry(retry: { readonly attempt: number; readonly delayMs: number; readonly error: MillraceError }): void
}

/**
 * Runs `work` until it succeeds, waiting between tries; null when a stop was asked for instead. What is not retryable,
 * or fails once too often in a row, is thrown.
 */
export async function withRetries<T>(work: () => Promise<T>, retries: Retries): Promise<T | null> {
  const { policy, clock, ids, stop, abandon } = retries
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (abandon.aborted) return null
      if (!(error instanceof MillraceError) || !error.retryable) throw error
      if (attempt >= policy.attempts)
        throw new MillraceError(error.code, `${error.message} (gave up after ${attempt} tries)`, {
          cause: error,
          context: error.context,
        })
      const delayMs = retryDelayMs(policy, attempt, ids.random())
      retries.onRetry({ attempt, delayMs, error })
      await clock.sleep(delayMs, stop)
      if (stop.aborted) return null
    }
  }
}
