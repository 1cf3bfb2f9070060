/** Reading the embedded graph. */

import type { Patience } from '../../engine/shared-file/waiting.ts'
import { name } from '../graph/cypher.ts'
import { readOnlyCypher } from '../graph/read-only-cypher.ts'
import { shortestPath } from '../graph/shortest-path.ts'
import type { Graph } from '../graph/store.ts'
import { positionLabel } from '../graph/sync/catalog.ts'
import { readCatalog } from './catalog.ts'
import { openGraphDatabase, type RunCypher } from './database.ts'
import { ladybugDialect } from './dialect.ts'

export interface OpenGraphOptions {
  readonly path: string
  readonly bufferPoolBytes?: number
  readonly patience?: Partial<Patience>
  /** Ends queries, with its reason. */
  readonly signal?: AbortSignal
}

/** The graph for queries, each of which sees what is committed when it begins. `TABLE_NOT_FOUND` before the first commit. */
export async function openGraph(options: OpenGraphOptions): Promise<Graph> {
  const database = await openGraphDatabase({ ...options, mode: 'read' })
  const limits = options.signal === undefined ? {} : { signal: options.signal }
  const read: RunCypher = (cypher, parameters) => database.read(cypher, parameters, limits)
  return {
    dialect: ladybugDialect,
    query: async (cypher, parameters) => read(readOnlyCypher(cypher), parameters),
    shortestPath: async (question) =>
      shortestPath({ read, dialect: ladybugDialect, catalog: await readCatalog(read) }, question),
    async close() {}, // the next question comes sooner than the file can be opened again
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
