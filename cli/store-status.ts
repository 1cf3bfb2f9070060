/** How much the stores hold. */
import { existsSync } from 'node:fs'
import { openOlapStore } from '../connectors/duckdb/store.ts'
import { openGraph } from '../connectors/ladybug/query.ts'
import { openVectorStore } from '../connectors/local-vectors/search.ts'
import { type DuckdbStore, duckdbStore } from '../engine/duckdb-store.ts'
import type { Place } from './place.ts'
import { graphFile, olapFile, vectorsFile } from './wire.ts'

/** Counts by name; `what` says what is counted: rows, vectors, nodes, relationships. */
export type StoreCounts = readonly { readonly name: string; readonly what: string; readonly count: number }[]

/** Every store with a way to ask it; asking throws `STORE_BUSY` while another process holds it. */
export const stores: readonly { readonly store: string; readonly count: (place: Place) => Promise<StoreCounts> }[] = [
  {
    store: 'olap',
    count: async (place) => named(await olapCounts(place), 'rows'),
  },
  { store: 'graph', count: (place) => graphCounts(graphFile(place)) },
  {
    store: 'vectors',
    count: async (place) => named(await openVectorStore(impatient(vectorsFile(place), place)).counts(), 'vectors'),
  },
]

/** The same store for a look at it: whoever asks how things stand would rather hear "busy" than wait. */
export function impatient({ path }: DuckdbStore, { duckdb, clock }: Place): DuckdbStore {
  return duckdbStore({ path, duckdb, clock, busyTimeoutMs: 250 })
}

async function olapCounts(place: Place): Promise<ReadonlyMap<string, number>> {
  if (place.clickhouse === null) return openOlapStore(impatient(olapFile(place), place)).counts()
  const { countRows } = await import('../connectors/clickhouse/store.ts')
  return countRows(await place.clickhouseClient())
}

function named(counts: ReadonlyMap<string, number>, what: string): StoreCounts {
  return [...counts].map(([name, count]) => ({ name, what, count }))
}

async function graphCounts(path: string): Promise<StoreCounts> {
  if (!existsSync(path)) return []
  const graph = await openGraph({ path })
  try {
    const { nodes, relationships } = await graph.counts()
    return [...named(nodes, 'nodes'), ...named(relationships, 'relationships')]
  } finally {
    await graph.close()
  }
}
