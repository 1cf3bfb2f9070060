/** The stores for those who ask questions: of a service where one is configured, else the embedded ones. */

import { duckdbQueries } from '../connectors/duckdb/query.ts'
import type { Graph } from '../connectors/graph/store.ts'
import { openGraph } from '../connectors/ladybug/query.ts'
import { openVectorStore } from '../connectors/local-vectors/search.ts'
import type { OlapQueries } from '../connectors/olap/store.ts'
import type { VectorStore } from '../connectors/vectors/store.ts'
import { titleColumns } from '../pipelines/entertainment/vectors.ts'
import { toJson } from './output.ts'
import type { Place } from './place.ts'
import { graphFile, olapFile, vectorsFile } from './wire.ts'

/** The OLAP tables. */
export async function openOlap(place: Place): Promise<OlapQueries> {
  if (place.clickhouse === null) return duckdbQueries(olapFile(place))
  const { clickhouseQueries } = await import('../connectors/clickhouse/query.ts')
  return clickhouseQueries(await place.clickhouseClient())
}

/** The knowledge graph. `TABLE_NOT_FOUND` before anything was written to it. To be closed. A signal that aborts cancels the query under way. */
export async function openGraphStore(place: Place, signal?: AbortSignal, patience = place.patience): Promise<Graph> {
  if (place.neo4j !== null) {
    const { openGraph: openNeo4jGraph } = await import('../connectors/neo4j/query.ts')
    return openNeo4jGraph(await place.neo4jClient(), signal)
  }
  return openGraph({
    path: graphFile(place),
    patience,
    bufferPoolBytes: place.memory.graphBytes,
    ...(signal === undefined ? {} : { signal }),
  })
}

/** The vectors. */
export async function openVectors(place: Place, patience = place.patience): Promise<VectorStore> {
  if (place.pinecone !== null) {
    const { pineconeStore } = await import('../connectors/pinecone/search.ts')
    return pineconeStore(await place.pineconeIndex())
  }
  return openVectorStore(vectorsFile(place, patience))
}

/** The vectors for a process that searches again and again: embedded ones are kept in memory, as far as their share of the place's memory goes. */
export async function holdVectors(place: Place): Promise<VectorStore> {
  if (place.pinecone !== null) return openVectors(place)
  const { openHeldStore } = await import('../connectors/local-vectors/held-store.ts')
  return openHeldStore({
    store: vectorsFile(place),
    clock: place.clock,
    limitBytes: place.memory.heldBytes,
    titles: titleColumns,
    toJson,
  })
}
