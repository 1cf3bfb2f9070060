/** SIGINT and SIGTERM: the first lets the running batch end, the second abandons it whole. */
import type { RunOptions } from '../engine/runtime.ts'

/** Listens until `dispose`. `said` is what the first signal prints. */
export function stopSignals(
  said = 'millrace: stopping after the running batch (again to abandon it)',
): RunOptions & { dispose(): void } {
  const stop = new AbortController()
  const abandon = new AbortController()
  const onSignal = () => {
    if (stop.signal.aborted) abandon.abort()
    else console.error(said)
    stop.abort()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return {
    stop: stop.signal,
    abandon: abandon.signal,
    dispose() {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    },
  }
}
