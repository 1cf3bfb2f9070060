/** From a description to the connector that serves it: the only place that knows all of them. */
import { join } from 'node:path'
import type { DeltaSinkOptions } from '../connectors/delta/description.ts'
import { parseRetention, retentionForm, type WantedRetention } from '../connectors/delta/retention.ts'
import type { GraphOptions } from '../connectors/graph/description.ts'
import type { OlapOptions, OlapSourceOptions } from '../connectors/olap/description.ts'
import type { TopicOptions } from '../connectors/records/description.ts'
import type { VectorsOptions } from '../connectors/vectors/description.ts'
import type { Sink, SinkDescription, Source, SourceDescription } from '../engine/contracts.ts'
import { type DuckdbStore, duckdbStore } from '../engine/duckdb-store.ts'
import { MillraceError } from '../engine/errors.ts'
import { consumerGroup, type GroupOwner } from './consumer-group.ts'
import type { Place } from './place.ts'
import { assertServed, unserved } from './served.ts'
import { sinkOfOne } from './sink-of-one.ts'

/** Opens what a source description names, for a pipeline. */
export async function openSource(description: SourceDescription, place: Place, pipeline: GroupOwner): Promise<Source> {
  assertServed('source', description)
  switch (description.kind) {
    case 'kafka':
      return openTopics(description.options as unknown as TopicOptions, place, pipeline)
    case 'delta': {
      const { deltaSource } = await import('../connectors/delta/source.ts')
      const { table, changeFeed } = description.options as { table: string; changeFeed?: boolean }
      const { duckdb, clock, ids, lake: store } = place
      const read = { table: place.table(table), store, changeFeed: changeFeed ?? false }
      return deltaSource({ ...read, duckdb, clock, ids, pipeline: pipeline.name })
    }
    case 'olap': {
      const options = description.options as unknown as OlapSourceOptions
      if (place.clickhouse === null) throw embeddedOlapIsNoSource(options.table)
      const { clickhouseSource } = await import('../connectors/clickhouse/source.ts')
      const { duckdb, ids } = place
      return clickhouseSource({ ...options, clickhouse: await place.clickhouseClient(), duckdb, ids })
    }
    default:
      throw unserved('source', description.kind)
  }
}

async function openTopics(options: TopicOptions, place: Place, pipeline: GroupOwner): Promise<Source> {
  const { startFrom = 'earliest', onDataLoss = 'fail' } = options
  const what = { choice: options, startFrom, onDataLoss }
  if (place.kafka === null) {
    const { fileLogSource } = await import('../connectors/file-log/source.ts')
    const { logDir: dir, logRetention: retention, clock, onTornTail } = place
    const kept = retention === null ? {} : { retention }
    return fileLogSource({ ...what, dir, group: pipeline.name, clock, onTornTail, ...kept })
  }
  const { kafkaSource } = await import('../connectors/kafka/source.ts')
  return kafkaSource({ ...what, client: await place.kafkaClient(), group: () => consumerGroup(place, pipeline) })
}

/** Small files that are written together, unless a definition says otherwise. */
const defaultCompactAfter = 32

/**
 * How long tables keep their past unless a definition or a setting says otherwise. One in which rows change by the stream is
 * written several times over in a day.
 */
const [defaultRetentionMs, appendedRetentionMs] = [15 * 60_000, 7 * 86_400_000]

function wantedRetention(
  asked: string | undefined,
  mode: DeltaSinkOptions['mode'],
  configuredMs: number | null,
): WantedRetention {
  if (asked !== undefined) {
    const ms = parseRetention(asked)
    if (ms === null) throw new MillraceError('DEFINITION_INVALID', `retention must be ${retentionForm}, not ${asked}`)
    return { ms, adopted: true }
  }
  const ms = configuredMs ?? (mode === 'append' ? appendedRetentionMs : defaultRetentionMs)
  return { ms, adopted: false }
}

/** Opens what a sink description names. */
export async function openSink(description: SinkDescription, place: Place): Promise<Sink> {
  assertServed('sink', description)
  switch (description.kind) {
    case 'delta': {
      const { deltaSink } = await import('../connectors/delta/sink.ts')
      const { clock, ids, duckdb, lake, scratchDir } = place
      const {
        table,
        columns,
        changeFeed,
        deletionVectors,
        partitionBy,
        notNull = [],
        check = {},
        compactAfter = defaultCompactAfter,
        retention,
        vacuum = true,
        ...write
      } = description.options as unknown as DeltaSinkOptions
      return deltaSink({
        table: place.table(table),
        store: lake,
        write,
        ...(columns === undefined ? {} : { columns }),
        ...(partitionBy === undefined ? {} : { partitionBy }),
        rules: { notNull, check },
        changeFeed: changeFeed ?? false,
        deletionVectors: deletionVectors ?? (write.mode === 'merge' ? 'if-new' : false),
        retention: wantedRetention(retention, write.mode, place.retentionMs),
        vacuum,
        duckdb,
        clock,
        ids,
        stagingDir: scratchDir,
        compactAfter,
        onUpkeepFailed: (error) => place.onUpkeepFailed(table, error),
      })
    }
    case 'kafka': {
      const { topic, positionOf } = description.options as { topic?: string; positionOf?: string }
      const sink = await openTopicSink(topic, place)
      return positionOf === undefined ? sink : sinkOfOne(sink, positionOf)
    }
    case 'olap': {
      const options = description.options as unknown as OlapOptions
      if (place.clickhouse !== null) {
        const { clickhouseSink } = await import('../connectors/clickhouse/sink.ts')
        const { duckdb, clock, scratchDir } = place
        const clickhouse = await place.clickhouseClient()
        return clickhouseSink({ clickhouse, description: options, duckdb, stagingDir: scratchDir, clock })
      }
      const { olapSink } = await import('../connectors/duckdb/sink.ts')
      return olapSink({ store: olapFile(place), description: options, clock: place.clock })
    }
    case 'vectors': {
      const options = description.options as unknown as VectorsOptions
      const embedder = await place.openEmbedder(options.embedder)
      if (place.pinecone !== null) {
        const { pineconeSink } = await import('../connectors/pinecone/sink.ts')
        const { duckdb, clock } = place
        return pineconeSink({ index: await place.pineconeIndex(), description: options, embedder, duckdb, clock })
      }
      const { vectorsSink } = await import('../connectors/local-vectors/sink.ts')
      return vectorsSink({
        store: vectorsFile(place),
        duckdb: place.duckdb,
        description: options,
        embedder,
        clock: place.clock,
      })
    }
    case 'graph': {
      const { duckdb, clock, ids, scratchDir } = place
      const options = description.options as unknown as GraphOptions
      if (place.neo4j !== null) {
        const { neo4jSink } = await import('../connectors/neo4j/sink.ts')
        const neo4j = await place.neo4jClient()
        return neo4jSink({ neo4j, description: options, duckdb, stagingDir: scratchDir, clock, ids })
      }
      const { graphSink } = await import('../connectors/ladybug/sink.ts')
      const { patience, memory } = place
      return graphSink({
        path: graphFile(place),
        description: options,
        duckdb,
        stagingDir: scratchDir,
        clock,
        patience,
        bufferPoolBytes: memory.graphBytes,
      })
    }
    default:
      throw unserved('sink', description.kind)
  }
}

async function openTopicSink(topic: string | undefined, place: Place): Promise<Sink> {
  const { logDir, duckdb, clock, ids, scratchDir: stagingDir, onTornTail } = place
  const target = topic === undefined ? {} : { topic }
  if (place.kafka !== null) {
    const { kafkaSink } = await import('../connectors/kafka/sink.ts')
    return kafkaSink({ client: await place.kafkaClient(), ...target, duckdb, clock, stagingDir })
  }
  const { fileLogSink } = await import('../connectors/file-log/sink.ts')
  return fileLogSink({ dir: logDir, ...target, duckdb: await duckdb(), clock, ids, stagingDir, onTornTail })
}

/** The file of the embedded OLAP store. */
export function olapFile({ storesDir, duckdb, ...place }: Place, patience = place.patience): DuckdbStore {
  return duckdbStore({ path: join(storesDir, 'olap.duckdb'), duckdb, patience })
}

/** The file of the embedded graph. */
export function graphFile({ storesDir }: Place): string {
  return join(storesDir, 'graph.lbug')
}

/** The file of the embedded vector store. */
export function vectorsFile({ storesDir, duckdb, ...place }: Place, patience = place.patience): DuckdbStore {
  return duckdbStore({ path: join(storesDir, 'vectors.duckdb'), duckdb, patience })
}

/** What a source is told that reads the OLAP store where that is the embedded one. */
export function embeddedOlapIsNoSource(table: string): MillraceError {
  return new MillraceError(
    'CONFIG_INVALID',
    `olap table ${table}: the embedded store keeps neither versions nor deletions of its rows, so that it is no source (set CLICKHOUSE_URL, or read the table of the lake that it is made from)`,
  )
}
