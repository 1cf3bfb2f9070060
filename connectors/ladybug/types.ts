/** Property types: what a column is in the graph, in DuckDB, and in the Parquet files that both exchange. */
import { MillraceError } from '../../engine/errors.ts'
import type { PropertyType } from '../graph/description.ts'

interface TypeMapping {
  /** Type of the property in the graph. */
  readonly graph: string
  /** Type in the exchanged file: what both engines read alike. */
  readonly exchange: string
  /** Dates and times travel as text. */
  readonly asText: boolean
}

const mappings: Readonly<Record<PropertyType, TypeMapping>> = {
  long: { graph: 'INT64', exchange: 'BIGINT', asText: false },
  string: { graph: 'STRING', exchange: 'VARCHAR', asText: false },
  double: { graph: 'DOUBLE', exchange: 'DOUBLE', asText: false },
  boolean: { graph: 'BOOL', exchange: 'BOOLEAN', asText: false },
  date: { graph: 'DATE', exchange: 'VARCHAR', asText: true },
  timestamp: { graph: 'TIMESTAMP', exchange: 'VARCHAR', asText: true },
  'string[]': { graph: 'STRING[]', exchange: 'VARCHAR[]', asText: false },
  'long[]': { graph: 'INT64[]', exchange: 'BIGINT[]', asText: false },
}

/** Type of a property in the graph. */
export function graphType(type: PropertyType): string {
  return mappings[type].graph
}

/** Type of a property in the exchanged file. */
export function exchangeType(type: PropertyType): string {
  return mappings[type].exchange
}

/** SQL that turns an input's column into what is exchanged. */
export function toExchange(sql: string, type: PropertyType): string {
  if (type === 'date') return `CAST(CAST(${sql} AS DATE) AS VARCHAR)`
  if (type === 'timestamp') return `CAST(CAST(${sql} AS TIMESTAMP) AS VARCHAR)`
  return `CAST(${sql} AS ${mappings[type].exchange})`
}

/** Cypher that turns an exchanged column into the property. */
export function fromExchange(cypher: string, type: PropertyType): string {
  return mappings[type].asText ? `CAST(${cypher} AS ${mappings[type].graph})` : cypher
}

/** Cypher that turns a property into text or what JSON holds exactly. */
export function exported(cypher: string, type: PropertyType): string {
  return mappings[type].asText || type === 'long' ? `CAST(${cypher} AS STRING)` : cypher
}

/** The key type that a graph type stands for. */
export function keyTypeOf(label: string, type: string): 'long' | 'string' {
  if (type === 'INT64') return 'long'
  if (type === 'STRING') return 'string'
  throw new MillraceError(
    'SCHEMA_MISMATCH',
    `graph label ${label} has a key of type ${type} (only INT64 and STRING are)`,
  )
}

/** A quoted name of a label, type or property. */
export function name(text: string): string {
  return `\`${text.replaceAll('`', '``')}\``
}

/** A quoted text, for paths. */
export function text(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
