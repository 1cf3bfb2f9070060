/** Requests that end, and are made again where that may help. All of them may be repeated: they set or remove what they name. */
import type { Clock, Ids } from '../../engine/contracts.ts'

export interface PatienceOptions {
  readonly clock: Clock
  readonly ids: Ids
  /** What makes a request; by default Node's. */
  readonly fetch?: typeof fetch
  /** A request that takes longer has failed. */
  readonly requestTimeoutMs: number
  /** Tries of a request in all. */
  readonly tries: number
  /** Longest wait between two tries, but for what `Retry-After` asks for. */
  readonly maxDelayMs: number
}

/** What requests have in common where nothing else is said. */
export const defaultPatience = { requestTimeoutMs: 30_000, tries: 8, maxDelayMs: 10_000 }

const firstDelayMs = 200

/**
 * Like `fetch`. 429, 5xx, lost connections and silence are tried again, after `Retry-After` where the answer says one, else with growing waits of random
 * length. The last answer, or what was thrown last, is the caller's.
 */
export function patientFetch(options: PatienceOptions): typeof fetch {
  const { clock, ids, tries, maxDelayMs, requestTimeoutMs } = options
  const ask = options.fetch ?? fetch
  return async (input, init = {}) => {
    for (let attempt = 1; ; attempt += 1) {
      let waitMs = ids.random() * Math.min(maxDelayMs, firstDelayMs * 2 ** attempt)
      try {
        const timeout = AbortSignal.timeout(requestTimeoutMs)
        const signal = init.signal ? AbortSignal.any([timeout, init.signal]) : timeout
        const answer = await ask(input, { ...init, signal })
        const passing = answer.status === 429 || answer.status >= 500
        if (!passing || attempt >= tries) return answer
        waitMs = retryAfterMs(answer.headers.get('retry-after'), clock.nowMs()) ?? waitMs
        await answer.body?.cancel()
      } catch (error) {
        if (attempt >= tries || init.signal?.aborted) throw error
      }
      await clock.sleep(waitMs, init.signal ?? undefined)
    }
  }
}

/** Seconds, or a date. At most two minutes: nobody is waited for longer. */
function retryAfterMs(value: string | null, nowMs: number): number | null {
  if (value === null || value.trim() === '') return null
  const seconds = Number(value)
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - nowMs
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), 120_000) : null
}
