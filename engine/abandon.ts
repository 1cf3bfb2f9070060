/** Not waiting any longer for work that was given up and does not end. */
import type { Clock } from './contracts.ts'

/** How long work that was given up may take to end by itself. */
const defaultGraceMs = 500

/**
 * The result of `work`. Once `abandon` aborts, work has `graceMs` (half a second) to end; then it is left behind, whatever becomes
 * of it, and the result is null.
 */
export async function endedOrLeft<T>(
  work: Promise<T>,
  abandon: AbortSignal,
  clock: Clock,
  graceMs = defaultGraceMs,
): Promise<{ readonly value: T } | null> {
  work.catch(() => {}) // of what is left behind nobody hears
  const ended = new AbortController()
  const left = leftAfter(abandon, () => clock.sleep(graceMs, ended.signal), ended.signal)
  try {
    return await Promise.race([work.then((value) => ({ value })), left])
  } finally {
    ended.abort()
  }
}

function leftAfter(abandon: AbortSignal, grace: () => Promise<void>, ended: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    const begin = () => void grace().then(() => resolve(null))
    if (abandon.aborted) begin()
    else abandon.addEventListener('abort', begin, { once: true, signal: ended })
  })
}
