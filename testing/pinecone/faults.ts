/** What may become of a request to the emulator. */

/**
 * `cut`: the connection is lost before anything happens. `lost-answer`: it is lost after the request had its effect. `silence`: no answer ever. A status:
 * answered in the request's place, nothing happens; `retryAfterS` goes into its header. `delayMs`: served so much later.
 */
export type Mishap =
  | 'cut'
  | 'lost-answer'
  | 'silence'
  | { readonly status: number; readonly retryAfterS?: number }
  | { readonly delayMs: number }
  | null

/** What is asked of the emulator: `POST /vectors/upsert`. */
export interface AskedRequest {
  readonly method: string
  readonly path: string
  /** The index whose vectors are asked for or written; null: indexes themselves are. */
  readonly index: string | null
}

/** Asked for each request; null: it is served. */
export type Faults = (request: AskedRequest) => Mishap

/** One after the other; what comes after them is served. */
export function scriptedFaults(mishaps: readonly Mishap[]): Faults {
  const left = [...mishaps]
  return () => left.shift() ?? null
}

/** Shares of requests, 0 to 1 each. */
export interface FaultShares {
  /** 429, half of them with `Retry-After`. */
  readonly tooMany?: number
  /** 500 or 503. */
  readonly unavailable?: number
  readonly cut?: number
  readonly lostAnswer?: number
  /** Served up to `slowMs` later. */
  readonly slow?: number
  /** Default 1000. */
  readonly slowMs?: number
}

/** Random faults; the same seed gives the same ones to the same requests. */
export function seededFaults(
  seed: number,
  { tooMany = 0, unavailable = 0, cut = 0, lostAnswer = 0, slow = 0, slowMs = 1000 }: FaultShares,
): Faults {
  const random = mulberry(seed)
  return () => {
    const at = random()
    if (at < tooMany) return random() < 0.5 ? { status: 429, retryAfterS: 1 } : { status: 429 }
    if (at < tooMany + unavailable) return { status: random() < 0.5 ? 500 : 503 }
    if (at < tooMany + unavailable + cut) return 'cut'
    if (at < tooMany + unavailable + cut + lostAnswer) return 'lost-answer'
    return at < tooMany + unavailable + cut + lostAnswer + slow ? { delayMs: Math.floor(random() * slowMs) } : null
  }
}

/** Mulberry32: numbers in [0, 1). */
function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
