/** What a worker thread is made of: picks the reader of a record source. Imported by URL in every thread. */
import type { RecordReader, SourceDescription } from '../engine/contracts.ts'
import { MillraceError } from '../engine/errors.ts'
import type { WorkerRuntime, WorkerSetup } from '../engine/workers/task.ts'
import { runColumns } from '../operators/columns/run.ts'

/** What a worker thread needs to open readers of its own. */
export interface WorkspaceWorkerSetup extends WorkerSetup {
  /** Folder of the embedded log. */
  readonly logDir: string
}

/** Opens nothing yet: readers are opened for each task, and their connectors imported then. */
export function openWorkerRuntime(setup: WorkspaceWorkerSetup): WorkerRuntime {
  return {
    run: (task, signal) => runColumns(task, { openReader: (source) => openReader(source, setup) }, signal),
  }
}

async function openReader(source: SourceDescription, setup: WorkspaceWorkerSetup): Promise<RecordReader> {
  if (source.kind === 'kafka') {
    const { fileLogReader } = await import('../connectors/file-log/reader.ts')
    return fileLogReader({ dir: setup.logDir })
  }
  throw new MillraceError(
    'CONFIG_INVALID',
    `source ${source.reads} is of a kind that workers cannot read: ${source.kind}`,
  )
}
