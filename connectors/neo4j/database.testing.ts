/** The one database of a Neo4j service, for checks and measurements that want it for themselves. */
import { name } from '../graph/cypher.ts'
import { ownConstraints } from './catalog.ts'
import type { Neo4j } from './client.ts'

/** Throws unless the database holds no node: what others keep there is not touched. */
export async function assertEmpty(neo4j: Neo4j): Promise<void> {
  const [row] = await neo4j.read('MATCH (n) RETURN count(n) AS n')
  if (row?.n !== 0n) throw new Error(`the database at ${neo4j.settings.uri} holds ${row?.n} nodes: name an empty one`)
}

/** Takes away all nodes, and the constraints that are ours. */
export async function emptyDatabase(neo4j: Neo4j): Promise<void> {
  await neo4j.run('MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 10000 ROWS')
  for (const constraint of await ownConstraints(neo4j.read))
    await neo4j.run(`DROP CONSTRAINT ${name(constraint)} IF EXISTS`)
}
