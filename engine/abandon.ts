/** Not waiting any longer for work that was given up and does not end. */
import type { Clock } from './contracts.ts'

/** How long work that was given up may take to end by itself. */
export const graceMs = 500

/**
 * The result of `work`. Once `abandon` aborts, work has {@link graceMs} to end; then it is left behind, whatever becomes of it,
 * and the result is null.
 */
export async function endedOrLeft<T>(
  work: Promise<T>,
  abandon: AbortSignal,
  clock: Clock,
): Promise<{ readonly value: T } | null> {
  work.catch(() => {}) // of what is left behind nobody hears
  const ended = new AbortController()
  const left = leftAfter(abandon, ended.signal, clock)
  try {
    return await Promise.race([work.then((value) => ({ value })), left])
  } finally {
    ended.abort()
  }
}

function leftAfter(abandon: AbortSignal, ended: AbortSignal, clock: Clock): Promise<null> {
  return new Promise((resolve) => {
    const begin = () => void clock.sleep(graceMs, ended).then(() => resolve(null))
    if (abandon.aborted) return begin()
    abandon.addEventListener('abort', begin, { once: true, signal: ended })
  })
}
