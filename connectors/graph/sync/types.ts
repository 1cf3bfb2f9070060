/** Property types in DuckDB, and in what is exchanged with a graph: days and times travel as text. */
import type { PropertyType } from '../description.ts'

const exchanged: Readonly<Record<PropertyType, string>> = {
  long: 'BIGINT',
  string: 'VARCHAR',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'VARCHAR',
  timestamp: 'VARCHAR',
  'string[]': 'VARCHAR[]',
  'long[]': 'BIGINT[]',
}

/** Type in DuckDB of what is given to the graph. */
export function exchangeType(type: PropertyType): string {
  return exchanged[type]
}

/** Type in DuckDB of what was taken from the graph: comparable with what is given. */
export function takenType(type: PropertyType): string {
  return isText(type) ? type.toUpperCase() : exchanged[type]
}

/** SQL that turns an input's column into what is given. */
export function toExchange(sql: string, type: PropertyType): string {
  return isText(type) ? `CAST(CAST(${sql} AS ${type.toUpperCase()}) AS VARCHAR)` : `CAST(${sql} AS ${exchanged[type]})`
}

/** Cypher that turns a property into text or what JSON holds exactly. */
export function exported(cypher: string, type: PropertyType, text: (cypher: string) => string): string {
  return isText(type) || type === 'long' ? text(cypher) : cypher
}

/** Whether values travel as text. */
export function isText(type: PropertyType): type is 'date' | 'timestamp' {
  return type === 'date' || type === 'timestamp'
}
