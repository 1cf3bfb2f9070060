/** What a pipeline's primary sink holds of its source, asked without opening anything for writing. */
import { existsSync } from 'node:fs'
import { positionInStore } from '../checkpoints/duckdb-commit.ts'
import { positionOf } from '../connectors/graph/sync/positions.ts'
import { openGraphDatabase } from '../connectors/ladybug/database.ts'
import { readPositions } from '../connectors/ladybug/positions.ts'
import type { SinkPosition } from '../engine/contracts.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import type { Place } from './place.ts'
import { impatience } from './store-status.ts'
import { graphFile, olapFile, openSink, vectorsFile } from './wire.ts'

/** An empty position before the first commit. `STORE_BUSY` while a program of others has a store open. */
export async function primaryPosition(pipeline: Pipeline, place: Place): Promise<SinkPosition> {
  const primary = pipeline.sinks.at(-1)!
  const { name } = pipeline
  if (primary.kind === 'graph' && place.neo4j === null) return graphPosition(name, place)
  if (primary.kind === 'olap' && place.clickhouse === null)
    return positionInStore(olapFile(place, impatience(place)), name)
  if (primary.kind === 'vectors' && place.pinecone === null)
    return positionInStore(vectorsFile(place, impatience(place)), name)
  const sink = await openSink(primary, place)
  try {
    return await sink.position(name)
  } finally {
    await sink.close()
  }
}

/** The sink itself would open the graph for writing. */
async function graphPosition(pipeline: string, place: Place): Promise<SinkPosition> {
  const path = graphFile(place)
  if (!existsSync(path)) return positionOf([])
  const database = await openGraphDatabase({
    path,
    mode: 'read',
    patience: impatience(place),
    bufferPoolBytes: place.memory.graphBytes,
  })
  return positionOf(await readPositions(database.read, pipeline))
}
