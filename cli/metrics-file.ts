/** Metrics kept in a file, for collectors that read text files: a subscriber of the engine's events. */
import { rename, writeFile } from 'node:fs/promises'
import type { Observer } from 'rxjs'
import type { PipelineEvent } from '../engine/events.ts'
import { pipelineMetrics } from '../engine/metrics.ts'

/** Replaces the file whole after every batch; `close` waits for the last writing and throws what went wrong with one. */
export function metricsFile(path: string): Partial<Observer<PipelineEvent>> & { close(): Promise<void> } {
  const metrics = pipelineMetrics()
  let written = Promise.resolve()
  const write = async (): Promise<void> => {
    await writeFile(`${path}.tmp`, await metrics.print())
    await rename(`${path}.tmp`, path)
  }
  return {
    next(event) {
      metrics.next?.(event)
      if (event.type === 'planned') return
      written = written.then(write)
      written.catch(() => {}) // told by close
    },
    close: () => written,
  }
}
