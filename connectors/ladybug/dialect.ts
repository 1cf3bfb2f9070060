/** How Ladybug spells what stores spell differently. */
import type { WritingDialect } from '../graph/sync/exchange.ts'
import { isText } from '../graph/sync/types.ts'
import { graphType } from './types.ts'

export const ladybugDialect: WritingDialect = {
  text: (expression) => `CAST(${expression} AS STRING)`,
  long: (expression) => `CAST(${expression} AS INT64)`,
  relationshipId: (variable) => `offset(id(${variable}))`,
  relationshipIdType: 'BIGINT',
  value: (column, type) => (isText(type) ? `CAST(${column} AS ${graphType(type)})` : column),
}
