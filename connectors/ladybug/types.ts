/** What property types are called in Ladybug. */
import { MillraceError } from '../../engine/errors.ts'
import type { PropertyType } from '../graph/description.ts'

const types: Readonly<Record<PropertyType, string>> = {
  long: 'INT64',
  string: 'STRING',
  double: 'DOUBLE',
  boolean: 'BOOL',
  date: 'DATE',
  timestamp: 'TIMESTAMP',
  'string[]': 'STRING[]',
  'long[]': 'INT64[]',
}

/** Type of a property in the graph. */
export function graphType(type: PropertyType): string {
  return types[type]
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

/** A quoted text, for paths. */
export function text(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
