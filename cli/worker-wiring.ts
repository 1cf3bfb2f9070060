/** What a worker thread is made of: picks the reader of a record source. Imported by URL in every thread. */
import type { KafkaClient } from '../connectors/kafka/client.ts'
import type { KafkaSettings } from '../connectors/kafka/settings.ts'
import type { Position, RecordReader, SourceDescription } from '../engine/contracts.ts'
import { MillraceError } from '../engine/errors.ts'
import type { WorkerRuntime, WorkerSetup } from '../engine/workers/task.ts'
import { runColumns } from '../operators/columns/run.ts'

/** What a worker thread needs to open readers of its own. */
export interface WorkspaceWorkerSetup extends WorkerSetup {
  /** Folder of the embedded log. */
  readonly logDir: string
  /** The cluster that serves topics; null: the embedded log does. */
  readonly kafka: KafkaSettings | null
}

/** Opens nothing yet: readers are opened for each task, and their connectors imported then. */
export function openWorkerRuntime(setup: WorkspaceWorkerSetup): WorkerRuntime {
  let client: Promise<KafkaClient> | null = null
  const kafkaClient = (settings: KafkaSettings) => {
    client ??= import('../connectors/kafka/client.ts').then(({ openKafkaClient }) => openKafkaClient(settings))
    return client
  }

  async function openReader(source: SourceDescription, identity: Position): Promise<RecordReader> {
    if (source.kind !== 'kafka')
      throw new MillraceError(
        'CONFIG_INVALID',
        `source ${source.reads} is of a kind that workers cannot read: ${source.kind}`,
      )
    const onDataLoss = source.options.onDataLoss === 'continue' ? 'continue' : 'fail'
    if (setup.kafka === null) {
      const { fileLogReader } = await import('../connectors/file-log/reader.ts')
      return fileLogReader({ dir: setup.logDir, onDataLoss, identity })
    }
    const { kafkaReader } = await import('../connectors/kafka/reader.ts')
    return kafkaReader({ client: await kafkaClient(setup.kafka), onDataLoss, identity })
  }
  return {
    async prepare(sources) {
      for (const source of sources) if (source.kind === 'kafka') await (await openReader(source, new Map())).close()
    },
    run: (task, signal) => runColumns(task, { openReader }, signal),
    close: async () => (await client)?.close(),
  }
}
