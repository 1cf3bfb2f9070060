/** Reading the embedded graph. */

import { name } from '../graph/cypher.ts'
import { readOnlyCypher } from '../graph/read-only-cypher.ts'
import { shortestPath } from '../graph/shortest-path.ts'
import type { Graph } from '../graph/store.ts'
import { positionLabel } from '../graph/sync/catalog.ts'
import { readCatalog } from './catalog.ts'
import { openGraphDatabase } from './database.ts'
import { ladybugDialect } from './dialect.ts'

export interface OpenGraphOptions {
  readonly path: string
  readonly bufferPoolBytes?: number
}

/**
 * The graph for queries, beside a writer of this process or of another; it sees what had been committed when it was
 * opened, and what this process commits. `TABLE_NOT_FOUND` before the first commit.
 */
export async function openGraph(options: OpenGraphOptions): Promise<Graph> {
  const database = await openGraphDatabase({ ...options, mode: 'read' })
  const { read } = database
  return {
    dialect: ladybugDialect,
    query: async (cypher, parameters) => read(readOnlyCypher(cypher), parameters),
    shortestPath: async (question) =>
      shortestPath({ read, dialect: ladybugDialect, catalog: await readCatalog(read) }, question),
    close: () => database.close(),
    async counts() {
      const catalog = await readCatalog(read)
      const nodes = new Map<string, number>()
      for (const label of [...catalog.labels.keys()].filter((known) => known !== positionLabel).sort()) {
        const [row] = await read(`MATCH (n:${name(label)}) RETURN count(*) AS n`)
        nodes.set(label, Number(row?.n))
      }
      const relationships = new Map<string, number>()
      for (const type of [...catalog.relationships.keys()].sort()) {
        const [row] = await read(`MATCH ()-[r:${name(type)}]->() RETURN count(*) AS n`)
        relationships.set(type, Number(row?.n))
      }
      return { nodes, relationships }
    },
  }
}
