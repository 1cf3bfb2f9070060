/** Requests that end, and are made again where that may help. All of them may be repeated: they set or remove what they name. */
import type { Clock, Ids } from '../../engine/contracts.ts'

export interface PatienceOptions {
  readonly clock: Clock
  readonly ids: Ids
  /** What makes a request; by default Node's. */
  readonly fetch?: typeof fetch
  /** A request whose whole answer is not there after so long has failed. */
  readonly requestTimeoutMs: number
  /** Tries of a request in all. */
  readonly tries: number
  /** Longest wait between two tries, but for what `Retry-After` asks for. */
  readonly maxDelayMs: number
  /** Asked when a request begins: ends it, and the waiting between its tries. */
  readonly signal?: () => AbortSignal | undefined
}

/** What requests have in common where nothing else is said. */
export const defaultPatience = { requestTimeoutMs: 30_000, tries: 8, maxDelayMs: 10_000 }

const firstDelayMs = 200

/**
 * Like `fetch`, with answers that are there as a whole. 429, 5xx, lost connections and silence are tried again, after `Retry-After` where the answer
 * says one, else with growing waits of random length. The last answer, or what was thrown last, is the caller's.
 */
export function patientFetch(options: PatienceOptions): typeof fetch {
  const { clock, ids, tries, maxDelayMs } = options
  return async (input, init = {}) => {
    const ending = [init.signal, options.signal?.()].filter((signal) => signal !== undefined && signal !== null)
    const end = AbortSignal.any(ending)
    for (let attempt = 1; ; attempt += 1) {
      let waitMs = ids.random() * Math.min(maxDelayMs, firstDelayMs * 2 ** attempt)
      try {
        const answer = await wholeAnswer(input, { ...init, signal: end }, options)
        const passing = answer.status === 429 || answer.status >= 500
        if (!passing || attempt >= tries) return answer
        waitMs = retryAfterMs(answer.headers.get('retry-after'), clock.nowMs()) ?? waitMs
      } catch (error) {
        if (attempt >= tries || end.aborted) throw error
      }
      await clock.sleep(waitMs, end)
    }
  }
}

/** The connection may be lost, or fall silent, in the middle of an answer: its body belongs to the try. */
async function wholeAnswer(
  input: Parameters<typeof fetch>[0],
  init: RequestInit & { readonly signal: AbortSignal },
  { fetch: ask = fetch, requestTimeoutMs }: PatienceOptions,
): Promise<Response> {
  const signal = AbortSignal.any([AbortSignal.timeout(requestTimeoutMs), init.signal])
  const answer = await ask(input, { ...init, signal })
  const body = await answer.arrayBuffer()
  const { status, statusText, headers } = answer
  return new Response(body.byteLength === 0 ? null : body, { status, statusText, headers })
}

/** Seconds, or a date. At most two minutes: nobody is waited for longer. */
function retryAfterMs(value: string | null, nowMs: number): number | null {
  if (value === null || value.trim() === '') return null
  const seconds = Number(value)
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - nowMs
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), 120_000) : null
}
