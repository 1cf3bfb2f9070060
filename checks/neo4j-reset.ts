/** Empties a Neo4j that was made for tests. */
import { auth, driver } from 'neo4j-driver'

/** Deletes all nodes, relationships and constraints of the database that the environment names. */
export async function emptyNeo4j(): Promise<void> {
  const { NEO4J_URI = '', NEO4J_USER = '', NEO4J_PASSWORD = '', NEO4J_DATABASE = '' } = process.env
  const database = driver(NEO4J_URI, auth.basic(NEO4J_USER, NEO4J_PASSWORD))
  const session = database.session(NEO4J_DATABASE === '' ? {} : { database: NEO4J_DATABASE })
  try {
    await session.run('MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 10000 ROWS')
    const constraints = await session.run('SHOW CONSTRAINTS YIELD name RETURN name')
    for (const record of constraints.records)
      await session.run(`DROP CONSTRAINT \`${String(record.get('name')).replaceAll('`', '``')}\` IF EXISTS`)
  } finally {
    await session.close()
    await database.close()
  }
}
