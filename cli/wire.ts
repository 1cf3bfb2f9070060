/** From a description to the connector that serves it: the only place that knows all of them. */
import type { Sink, SinkDescription, Source, SourceDescription } from '../engine/contracts.ts'
import { MillraceError } from '../engine/errors.ts'
import type { Place } from './place.ts'

/** Opens what a source description names. */
export async function openSource(description: SourceDescription, place: Place): Promise<Source> {
  switch (description.kind) {
    case 'kafka': {
      const { fileLogSource } = await import('../connectors/file-log/source.ts')
      const { topic, startFrom } = description.options as { topic: string; startFrom?: 'earliest' | 'latest' }
      return fileLogSource({ dir: place.logDir, topic, startFrom: startFrom ?? 'earliest', clock: place.clock })
    }
    case 'delta': {
      const { deltaSource } = await import('../connectors/delta/source.ts')
      const { table, changeFeed } = description.options as { table: string; changeFeed?: boolean }
      return deltaSource({ table: place.table(table), store: place.lake, changeFeed: changeFeed ?? false })
    }
    default:
      throw unknown('source', description.kind)
  }
}

/** Opens what a sink description names. */
export async function openSink(description: SinkDescription, place: Place): Promise<Sink> {
  switch (description.kind) {
    case 'delta': {
      const { deltaSink } = await import('../connectors/delta/sink.ts')
      const { clock, ids, duckdb, lake, scratchDir } = place
      const options = description.options as unknown as Parameters<typeof deltaSink>[0]['options'] & { table: string }
      return deltaSink({
        table: place.table(options.table),
        store: lake,
        options,
        duckdb,
        clock,
        ids,
        stagingDir: scratchDir,
      })
    }
    default:
      throw unknown('sink', description.kind)
  }
}

function unknown(what: string, kind: string): MillraceError {
  return new MillraceError(
    'DEFINITION_INVALID',
    `no connector serves the ${what} kind ${JSON.stringify(kind)} (use the descriptions of connectors/index.ts)`,
  )
}
