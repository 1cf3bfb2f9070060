/** Reading the graph in a Neo4j service. */
import { MillraceError } from '../../engine/errors.ts'
import { name } from '../graph/cypher.ts'
import { readOnlyCypher } from '../graph/read-only-cypher.ts'
import { shortestPath } from '../graph/shortest-path.ts'
import type { Graph, ReadCypher } from '../graph/store.ts'
import type { Catalog } from '../graph/sync/catalog.ts'
import { readCatalog } from './catalog.ts'
import type { Neo4j } from './client.ts'
import { neo4jDialect } from './dialect.ts'
import { plainRow } from './values.ts'

/**
 * The graph for queries; each sees what has been committed when it begins. Labels and types that no pipeline of ours has written are not counted.
 * A signal that aborts cancels the query under way. The client stays open: it is the process's. `TABLE_NOT_FOUND` before the first commit.
 */
export async function openGraph(neo4j: Neo4j, signal?: AbortSignal): Promise<Graph> {
  await catalogOf(neo4j)
  const read: ReadCypher = async (cypher, parameters) => (await neo4j.read(cypher, parameters, signal)).map(plainRow)
  return {
    dialect: neo4jDialect,
    query: async (cypher, parameters) => read(readOnlyCypher(cypher), parameters),
    shortestPath: async (question) =>
      shortestPath({ read, dialect: neo4jDialect, catalog: await catalogOf(neo4j) }, question),
    async counts() {
      const { labels, relationships } = await catalogOf(neo4j)
      const nodes = await countEach(read, [...labels.keys()], (label) => `(n:${name(label)})`)
      return {
        nodes,
        relationships: await countEach(read, [...relationships.keys()], (type) => `()-[n:${name(type)}]->()`),
      }
    },
    async close() {},
  }
}

/** Nodes per label and relationships per type that our pipelines have written; empty before the first commit. */
export async function countGraph(neo4j: Neo4j): Promise<Awaited<ReturnType<Graph['counts']>>> {
  if ((await readCatalog(neo4j.read)) === null) return { nodes: new Map(), relationships: new Map() }
  return (await openGraph(neo4j)).counts()
}

async function catalogOf(neo4j: Neo4j): Promise<Catalog> {
  const catalog = await readCatalog(neo4j.read)
  if (catalog !== null) return catalog
  throw new MillraceError(
    'TABLE_NOT_FOUND',
    `neo4j at ${neo4j.settings.uri} holds no graph of ours (run a pipeline that fills it first)`,
  )
}

async function countEach(
  read: ReadCypher,
  names: readonly string[],
  pattern: (name: string) => string,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const each of [...names].sort()) {
    const [row] = await read(`MATCH ${pattern(each)} RETURN count(n) AS n`)
    counts.set(each, Number(row?.n))
  }
  return counts
}
