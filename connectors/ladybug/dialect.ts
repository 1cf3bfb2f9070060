/** How Ladybug spells what stores spell differently. */
import type { PathDialect } from '../graph/shortest-path.ts'
import type { WritingDialect } from '../graph/sync/exchange.ts'
import { isText } from '../graph/sync/types.ts'
import { graphType } from './types.ts'

export const ladybugDialect: WritingDialect & PathDialect = {
  text: (expression) => `CAST(${expression} AS STRING)`,
  long: (expression) => `CAST(${expression} AS INT64)`,
  relationshipId: (variable) => `offset(id(${variable}))`,
  relationshipIdType: 'BIGINT',
  seek: () => '',
  endsBy: 'MERGE', // after `LOAD FROM`, a MATCH of both ends joins them to the wrong nodes
  value: (column, type) => (isText(type) ? `CAST(${column} AS ${graphType(type)})` : column),
  shortest: (from, to, { types, maxHops }) => `MATCH p = ${from}-[:${types}* SHORTEST 1..${maxHops}]-${to}`,
  labels: `properties(nodes(p), '_label')`,
  types: `properties(rels(p), '_label')`,
  property: (property) => `properties(nodes(p), '${property}')`,
  propertyAsText: (property) => `CAST(properties(nodes(p), '${property}') AS STRING[])`,
}
