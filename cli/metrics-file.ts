/** Metrics kept in a file, for collectors that read text files: a subscriber of the engine's events. */
import { rename, writeFile } from 'node:fs/promises'
import type { Observer } from 'rxjs'
import type { PipelineEvent } from '../engine/events.ts'
import { pipelineMetrics } from '../engine/metrics.ts'

/**
 * Replaces the file whole after every batch, with the newest state where it is slower than batches are. A write that fails is tried
 * again after the next batch. `close` writes the last state and throws where that fails.
 */
export function metricsFile(path: string): Partial<Observer<PipelineEvent>> & { close(): Promise<void> } {
  const metrics = pipelineMetrics()
  let writing: Promise<void> | null = null
  let stale = false
  const write = async (): Promise<void> => {
    stale = false
    await writeFile(`${path}.tmp`, await metrics.print())
    await rename(`${path}.tmp`, path)
  }
  const writeSoon = (): void => {
    stale = true
    writing ??= write()
      .catch(() => {
        stale = true
      })
      .finally(() => {
        writing = null
      })
  }
  return {
    next(event) {
      metrics.next?.(event)
      if (event.type !== 'planned') writeSoon()
    },
    async close() {
      await writing
      if (stale) await write()
    },
  }
}
