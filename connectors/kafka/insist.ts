/** Asking again what a cluster in motion refuses for a moment. */
import { setTimeout as sleep } from 'node:timers/promises'
import { MillraceError } from '../../engine/errors.ts'

const tries = 20
const pauseMs = 250

/**
 * Runs `work` until it succeeds, a moment apart, for as long as its failures may pass. For steps that no batch's own
 * retry covers, or that would make a whole batch be done again for a coordinator that moves.
 */
export async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof MillraceError) || !error.retryable || attempt === tries) throw error
      await sleep(pauseMs)
    }
  }
}
