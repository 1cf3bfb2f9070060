/**
 * SIGINT and SIGTERM. The first lets what is under way end, and gives it up where that takes too long; the second gives it up at
 * once. What does not even end then ends with the process, 9 s after the first signal at the latest: nothing depends on a clean end.
 */
import { endedOrLeft } from '../engine/abandon.ts'
import { systemClock } from '../engine/clock.ts'
import type { RunOptions } from '../engine/runtime.ts'

/** How long what is under way may go on after the first signal. */
const finishMs = 5_000
/** When the process ends whatever it does: after the first signal, and after the second. */
const endMs = { first: 9_000, second: 3_000 }

/** Signals of one command. */
export interface StopSignals extends RunOptions {
  /**
   * The result of `work`; null once it was given up and has not ended within two more seconds. `work` that is given up is left behind.
   */
  within<T>(work: Promise<T>): Promise<{ readonly value: T } | null>
  /** Listens no longer. */
  dispose(): void
}

/** Listens until `dispose`. `said` is what the first signal prints. */
export function stopSignals(
  said = 'millrace: stopping after the running batch, or in 5 s (again to stop at once)',
): StopSignals {
  const stop = new AbortController()
  const abandon = new AbortController()
  const giveUp = () => {
    if (!abandon.signal.aborted) console.error('millrace: giving up what is under way')
    abandon.abort()
  }
  const onSignal = () => {
    if (stop.signal.aborted) {
      giveUp()
      endAfter(endMs.second)
      return
    }
    console.error(said)
    setTimeout(giveUp, finishMs).unref()
    endAfter(endMs.first)
    stop.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return {
    stop: stop.signal,
    abandon: abandon.signal,
    within: (work) => endedOrLeft(work, abandon.signal, systemClock, 2_000),
    dispose() {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    },
  }
}

/** By a signal that cannot be waited for: a normal exit waits for native work, however long that takes. */
function endAfter(ms: number): void {
  setTimeout(() => {
    console.error('millrace: still busy; ended as it is (the next start goes on from what is committed)')
    process.kill(process.pid, 'SIGKILL')
  }, ms).unref()
}
