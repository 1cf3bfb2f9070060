/** How Neo4j spells what stores spell differently. */
import { name } from '../graph/cypher.ts'
import type { PathDialect } from '../graph/shortest-path.ts'
import type { WritingDialect } from '../graph/sync/exchange.ts'

export const neo4jDialect: WritingDialect & PathDialect = {
  text: (expression) => `toString(${expression})`,
  long: (expression) => `toInteger(${expression})`,
  relationshipId: (variable) => `elementId(${variable})`,
  relationshipIdType: 'VARCHAR',
  seek: (variable, label, key) => `USING INDEX SEEK ${variable}:${name(label)}(${name(key)})`,
  endsBy: 'MATCH',
  value(column, type) {
    if (type === 'date') return `date(${column})`
    return type === 'timestamp' ? `datetime(replace(${column}, ' ', 'T') + 'Z')` : column
  },
  shortest: (from, to, { types, maxHops }) =>
    `MATCH ${from}, ${to} MATCH p = shortestPath((a)-[:${types}*1..${maxHops}]-(b))`,
  labels: '[n IN nodes(p) | labels(n)[0]]',
  types: '[r IN relationships(p) | type(r)]',
  property: (property) => `[n IN nodes(p) | n.${name(property)}]`,
  propertyAsText: (property) => `[n IN nodes(p) | toString(n.${name(property)})]`,
}
