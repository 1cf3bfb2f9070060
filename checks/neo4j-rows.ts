/**
 * Everything in a Neo4j but positions, one JSON line for each node and relationship, by the driver alone: for checks of what it holds.
 *
 *   NEO4J_URI=... NEO4J_USER=... NEO4J_PASSWORD=... node checks/neo4j-rows.ts
 */
import { auth, driver, type Integer, isDate, isDateTime, isInt, type Node, type Relationship } from 'neo4j-driver'

const { NEO4J_URI = '', NEO4J_USER = '', NEO4J_PASSWORD = '', NEO4J_DATABASE } = process.env
const database = driver(NEO4J_URI, auth.basic(NEO4J_USER, NEO4J_PASSWORD))
const session = database.session(NEO4J_DATABASE === undefined ? {} : { database: NEO4J_DATABASE })

function plain(value: unknown): unknown {
  if (isInt(value as Integer)) return Number(value)
  if (isDate(value as object) || isDateTime(value as object)) return String(value)
  if (Array.isArray(value)) return value.map(plain)
  return value
}

function properties(of: { readonly properties: Record<string, unknown> }): Record<string, unknown> {
  return Object.fromEntries(Object.entries(of.properties).map(([name, value]) => [name, plain(value)]))
}

const nodes = await session.run('MATCH (n) WHERE NOT n:MillracePosition RETURN n')
for (const record of nodes.records) {
  const node = record.get('n') as Node
  console.log(JSON.stringify({ label: node.labels.join(':'), properties: properties(node) }))
}
const relationships = await session.run('MATCH (a)-[r]->(b) RETURN a, r, b')
for (const record of relationships.records) {
  const [from, link, to] = [record.get('a') as Node, record.get('r') as Relationship, record.get('b') as Node]
  const ends = {
    fromLabel: from.labels.join(':'),
    from: properties(from),
    toLabel: to.labels.join(':'),
    to: properties(to),
  }
  console.log(JSON.stringify({ type: link.type, properties: properties(link), ...ends }))
}
await session.close()
await database.close()
