/** How Ladybug spells what stores spell differently. */
import type { CypherDialect } from '../graph/store.ts'

export const ladybugDialect: CypherDialect = {
  text: (expression) => `CAST(${expression} AS STRING)`,
  long: (expression) => `CAST(${expression} AS INT64)`,
}
