import { randomUUID } from 'node:crypto'
import type { Clock, Ids } from './contracts.ts'

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      signal?.addEventListener('abort', done, { once: true })
    }),
}

/** Ids and jitter from the machine's own randomness. */
export const systemIds: Ids = { uuid: randomUUID, random: Math.random }
