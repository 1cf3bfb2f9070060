/** What a worker thread is made of: picks the reader of a record source, and the embedder. Imported by URL in every thread. */
import type { KafkaClient } from '../connectors/kafka/client.ts'
import type { KafkaSettings } from '../connectors/kafka/settings.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import type { Position, RecordReader, SourceDescription } from '../engine/contracts.ts'
import type { Embedder } from '../engine/embedder.ts'
import { MillraceError } from '../engine/errors.ts'
import type { WorkerRuntime, WorkerSetup } from '../engine/workers/task.ts'
import { runColumns } from '../operators/columns/run.ts'
import type { EmbedderSettings } from '../operators/embedders/settings.ts'
import type { VectorCache } from '../operators/embedders/vector-cache.ts'

/** What a worker thread needs to open readers of its own. */
export interface WorkspaceWorkerSetup extends WorkerSetup {
  /** Folder of the embedded log. */
  readonly logDir: string
  /** The cluster that serves topics; null: the embedded log does. */
  readonly kafka: KafkaSettings | null
  /** What definitions mean by the embedder `default`. */
  readonly embedder: EmbedderSettings
  /** Folder of the vectors that are kept. */
  readonly embeddingsDir: string
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
  const caches: VectorCache[] = []
  const embedders = new Map<string, Promise<Embedder>>()
  function embedderOf(name: string): Promise<Embedder> {
    const known = embedders.get(name)
    if (known !== undefined) return known
    const opened = openKeptEmbedder(name, setup, caches)
    embedders.set(name, opened)
    opened.catch(() => embedders.delete(name)) // the task reports it; the next one tries again
    return opened
  }

  return {
    async prepare(sources) {
      for (const source of sources) if (source.kind === 'kafka') await (await openReader(source, new Map())).close()
    },
    run: (task, signal, onProgress) => runColumns(task, { openReader, openEmbedder: embedderOf }, signal, onProgress),
    async close() {
      for (const cache of caches) cache.close()
      await (await client)?.close()
    },
  }
}

/** An embedder of the name, with what is kept of its vectors in front of it where that is worth it. */
async function openKeptEmbedder(
  name: string,
  { embedder: settings, embeddingsDir: dir }: WorkspaceWorkerSetup,
  caches: VectorCache[],
): Promise<Embedder> {
  const { openEmbedder } = await import('../operators/embedders/registry.ts')
  const context = { clock: systemClock, ids: systemIds, examined: true }
  const embedder = await openEmbedder(name, settings, context)
  const limitBytes = settings.kind === 'local' ? 0 : settings.cacheBytes
  if (!embedder.costly || limitBytes === 0) return embedder
  const { openVectorCache } = await import('../operators/embedders/vector-cache.ts')
  const { cachedEmbedder } = await import('../operators/embedders/cached.ts')
  const cache = await openVectorCache({ dir, embedder, limitBytes, clock: systemClock })
  caches.push(cache)
  return cachedEmbedder(embedder, cache)
}
