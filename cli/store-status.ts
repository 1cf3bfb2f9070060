/** How much the stores hold. */
import { existsSync } from 'node:fs'
import { openOlapStore } from '../connectors/duckdb/store.ts'
import type { Graph } from '../connectors/graph/store.ts'
import type { Patience } from '../engine/shared-file/waiting.ts'
import type { Place } from './place.ts'
import { openGraphStore, openVectors } from './stores.ts'
import { graphFile, olapFile } from './wire.ts'

/** Counts by name; `what` says what is counted: rows, vectors, nodes, relationships. */
export type StoreCounts = readonly { readonly name: string; readonly what: string; readonly count: number }[]

/** Every store with a way to ask it; asking throws `STORE_BUSY` while a program of others has it open. */
export const stores: readonly { readonly store: string; readonly count: (place: Place) => Promise<StoreCounts> }[] = [
  {
    store: 'olap',
    count: async (place) => named(await olapCounts(place), 'rows'),
  },
  { store: 'graph', count: graphCounts },
  {
    store: 'vectors',
    count: async (place) => named(await (await openVectors(place, impatience(place))).counts(), 'vectors'),
  },
]

/** Whoever asks how things stand would rather hear "busy" than wait for a program of others. */
export function impatience({ patience }: Place): Patience {
  return { ...patience, limitMs: 5_000 }
}

async function olapCounts(place: Place): Promise<ReadonlyMap<string, number>> {
  if (place.clickhouse === null) return openOlapStore(olapFile(place, impatience(place))).counts()
  const { countRows } = await import('../connectors/clickhouse/store.ts')
  return countRows(await place.clickhouseClient())
}

function named(counts: ReadonlyMap<string, number>, what: string): StoreCounts {
  return [...counts].map(([name, count]) => ({ name, what, count }))
}

async function graphCounts(place: Place): Promise<StoreCounts> {
  if (place.neo4j !== null) {
    const { countGraph } = await import('../connectors/neo4j/query.ts')
    return countedGraph(await countGraph(await place.neo4jClient()))
  }
  if (!existsSync(graphFile(place))) return []
  const graph = await openGraphStore(place, undefined, impatience(place))
  try {
    return countedGraph(await graph.counts())
  } finally {
    await graph.close()
  }
}

function countedGraph({ nodes, relationships }: Awaited<ReturnType<Graph['counts']>>): StoreCounts {
  return [...named(nodes, 'nodes'), ...named(relationships, 'relationships')]
}
