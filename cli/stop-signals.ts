/** SIGINT and SIGTERM: the first lets the running batch end, the second abandons it whole. */
import type { RunOptions } from '../engine/runtime.ts'

/** Listens until `dispose`. */
export function stopSignals(): RunOptions & { dispose(): void } {
  const stop = new AbortController()
  const abandon = new AbortController()
  const onSignal = () => {
    if (stop.signal.aborted) abandon.abort()
    else console.error('millrace: stopping after the running batch (again to abandon it)')
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
