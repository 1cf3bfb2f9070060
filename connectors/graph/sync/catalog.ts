/** What a graph is known to have: of all pipelines that write to it. Pure. */
import { MillraceError } from '../../../engine/errors.ts'
import type { GraphOptions, KeyType, PropertyType } from '../description.ts'
import { type PairInfo, relationshipsOf, samePair, type TypedRelationship } from '../relationships.ts'

/** Label of the nodes that hold the positions of pipelines. */
export const positionLabel = 'MillracePosition'

/** A label of the graph: its key, and the types of its properties. */
export interface LabelInfo {
  readonly label: string
  /** Property that identifies a node. */
  readonly key: string
  readonly keyType: KeyType
  /** All other properties with their types, as the store calls them. */
  readonly properties: ReadonlyMap<string, string>
}

/** All labels, relationships and pairs of labels that they join. */
export interface Catalog {
  readonly labels: ReadonlyMap<string, LabelInfo>
  /** Types of properties, by type of relationship; the first is the relationship's key. */
  readonly relationships: ReadonlyMap<string, ReadonlyMap<string, string>>
  readonly pairs: readonly PairInfo[]
}

/**
 * A catalog with what a description adds; nothing is ever taken away. `SCHEMA_MISMATCH` where something has another
 * type in the graph, `DEFINITION_INVALID` for a label that is neither declared nor in the graph.
 * @param typeName what the store calls a type
 */
export function grownCatalog(known: Catalog, options: GraphOptions, typeName: (type: PropertyType) => string): Catalog {
  const labels = new Map(known.labels)
  for (const wanted of wantedLabels(options, typeName)) labels.set(wanted.label, grownLabel(labels, wanted))
  const relationships = new Map(known.relationships)
  const pairs = [...known.pairs]
  for (const relationship of relationshipsOf(options)) {
    const { type, fromNode, toNode } = relationship
    for (const label of [fromNode, toNode]) if (!labels.has(label)) throw undeclared(type, label)
    relationships.set(type, grownRelationship(relationships.get(type), relationship, typeName))
    if (!pairs.some((pair) => samePair(pair, relationship))) pairs.push({ type, fromNode, toNode })
  }
  return { labels, relationships, pairs }
}

/** Of a label that is both, the types of the nodes' own properties. */
function wantedLabels({ nodes = {}, stubs = {} }: GraphOptions, typeName: (type: PropertyType) => string): LabelInfo[] {
  return [...new Set([...Object.keys(nodes), ...Object.keys(stubs)])].map((label) => {
    const [node, stub] = [nodes[label], stubs[label]]
    const { key, keyType = 'long' } = (node ?? stub)!
    const types: { readonly [property: string]: PropertyType } = {
      ...stub?.properties,
      ...(stub?.name === undefined ? {} : { name: 'string' }),
      ...node?.properties,
      stub: 'boolean',
    }
    return { label, key, keyType, properties: named(types, typeName) }
  })
}

function grownLabel(labels: Catalog['labels'], wanted: LabelInfo): LabelInfo {
  const { label, key, keyType, properties } = wanted
  const known = labels.get(label)
  if (known === undefined) return wanted
  if (known.key !== key || known.keyType !== keyType)
    throw mismatch(`label ${label}`, `keyed by ${known.key} ${known.keyType}`, `by ${key} ${keyType}`)
  return { ...known, properties: grownProperties(label, known.properties, properties) }
}

function grownRelationship(
  known: ReadonlyMap<string, string> | undefined,
  { type, key, properties }: TypedRelationship,
  typeName: (type: PropertyType) => string,
): ReadonlyMap<string, string> {
  const wanted = named({ [key]: 'string', ...properties }, typeName)
  if (known === undefined) return wanted
  const [knownKey] = known.keys()
  if (knownKey !== key) throw mismatch(`relationship ${type}`, `keyed by ${knownKey}`, `by ${key}`)
  return grownProperties(type, known, wanted)
}

function grownProperties(
  of: string,
  known: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  for (const [property, type] of wanted) {
    const stored = known.get(property) ?? type
    if (stored !== type) throw mismatch(`property ${of}.${property}`, stored, type)
  }
  return new Map([...known, ...wanted])
}

function named(
  types: { readonly [property: string]: PropertyType },
  typeName: (type: PropertyType) => string,
): ReadonlyMap<string, string> {
  return new Map(Object.entries(types).map(([property, type]) => [property, typeName(type)]))
}

function mismatch(what: string, stored: string, wanted: string): MillraceError {
  return new MillraceError(
    'SCHEMA_MISMATCH',
    `graph ${what} is ${stored} in the store and ${wanted} in the definition (change the definition, or fill a new graph)`,
    { context: { what } },
  )
}

function undeclared(type: string, label: string): MillraceError {
  return new MillraceError(
    'DEFINITION_INVALID',
    `graph relationship ${type} joins label ${label}, which is neither among nodes nor stubs, nor in the graph (declare it)`,
    { context: { type, label } },
  )
}
