/** How far a pipeline's primary sink holds its source, asked without opening anything for writing. */
import { existsSync } from 'node:fs'
import { positionInStore } from '../checkpoints/duckdb-commit.ts'
import { openGraphDatabase } from '../connectors/ladybug/database.ts'
import { readPositions } from '../connectors/ladybug/positions.ts'
import type { Position } from '../engine/contracts.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import type { Place } from './place.ts'
import { impatient } from './store-status.ts'
import { graphFile, olapFile, openSink, vectorsFile } from './wire.ts'

/** Next to read, per source partition; empty before the first commit. `STORE_BUSY` while another process holds a store. */
export async function primaryPosition(pipeline: Pipeline, place: Place): Promise<Position> {
  const primary = pipeline.sinks.at(-1)!
  const { name } = pipeline
  if (primary.kind === 'graph') return graphPosition(name, graphFile(place))
  if (primary.kind === 'olap' && place.clickhouse === null)
    return (await positionInStore(impatient(olapFile(place), place), name)).position
  if (primary.kind === 'vectors') return (await positionInStore(impatient(vectorsFile(place), place), name)).position
  const sink = await openSink(primary, place)
  try {
    return (await sink.position(name)).position
  } finally {
    await sink.close()
  }
}

/** The sink itself would open the graph for writing. */
async function graphPosition(pipeline: string, path: string): Promise<Position> {
  if (!existsSync(path)) return new Map()
  const database = await openGraphDatabase({ path, mode: 'read' })
  try {
    const stored = await readPositions(database.read, pipeline)
    return new Map(stored.map(({ sourcePartition, next }) => [sourcePartition, next]))
  } finally {
    await database.close()
  }
}
