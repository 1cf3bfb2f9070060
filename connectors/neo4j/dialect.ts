/** How Neo4j spells what stores spell differently. */
import type { WritingDialect } from '../graph/sync/exchange.ts'

export const neo4jDialect: WritingDialect = {
  text: (expression) => `toString(${expression})`,
  long: (expression) => `toInteger(${expression})`,
  relationshipId: (variable) => `elementId(${variable})`,
  relationshipIdType: 'VARCHAR',
  value(column, type) {
    if (type === 'date') return `date(${column})`
    return type === 'timestamp' ? `datetime(replace(${column}, ' ', 'T') + 'Z')` : column
  },
}
