/** How long to wait before the next try. Pure but for the injected randomness. */

export interface RetryPolicy {
  /** Failures in a row after which the pipeline stops. */
  readonly attempts: number
  readonly firstDelayMs: number
  readonly maxDelayMs: number
}

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
