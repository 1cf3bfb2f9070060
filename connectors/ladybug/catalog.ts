/** Tables of the graph: what is there, and what a description needs. */
import { MillraceError } from '../../engine/errors.ts'
import { name } from '../graph/cypher.ts'
import type { GraphOptions, KeyType, PropertyType } from '../graph/description.ts'
import { type PairInfo, relationshipsOf, samePair, type TypedRelationship } from '../graph/relationships.ts'
import type { Catalog, LabelInfo } from '../graph/sync/catalog.ts'
import type { GraphRow, RunCypher } from './database.ts'
import { graphType, keyTypeOf, text } from './types.ts'

/** Label of the node that holds a pipeline's position. */
export const positionLabel = 'MillracePosition'

const positionProperties =
  'pipeline STRING, source_partition STRING, next_version INT64, fingerprint STRING, txn_id STRING, written STRING, totals STRING, updated_at TIMESTAMP'

/** The tables that a graph has; of a type of relationship there is one for each pair of labels. */
export async function readCatalog(run: RunCypher): Promise<Catalog> {
  const labels = new Map<string, LabelInfo>()
  const relationships = new Map<string, ReadonlyMap<string, string>>()
  const pairs: PairInfo[] = []
  for (const { name: table, type } of await run('CALL show_tables() RETURN name, type')) {
    const columns = await run(`CALL table_info(${text(String(table))}) RETURN *`)
    if (type === 'NODE') labels.set(String(table), labelInfo(String(table), columns))
    if (type !== 'REL') continue
    relationships.set(String(table), new Map(columns.map((column) => [String(column.name), String(column.type)])))
    for (const pair of await run(`CALL show_connection(${text(String(table))}) RETURN *`))
      pairs.push({
        type: String(table),
        fromNode: String(pair['source table name']),
        toNode: String(pair['destination table name']),
      })
  }
  return { labels, relationships, pairs }
}

function labelInfo(label: string, columns: readonly GraphRow[]): LabelInfo {
  const key = columns.find((column) => column['primary key'] === true)!
  const rest = columns.filter((column) => column !== key)
  return {
    label,
    key: String(key.name),
    keyType: keyTypeOf(label, String(key.type)),
    properties: new Map(rest.map((column) => [String(column.name), String(column.type)])),
  }
}

interface WantedLabel {
  readonly key: string
  readonly keyType: KeyType
  readonly properties: ReadonlyMap<string, PropertyType>
}

/**
 * Makes the tables and columns that a description lacks; never takes any away. Each statement stands alone, since an
 * empty table is nothing that a reader could see. `SCHEMA_MISMATCH` where something has another type in the graph,
 * `DEFINITION_INVALID` for a label that is neither declared nor in the graph.
 */
export async function growSchema(run: RunCypher, options: GraphOptions): Promise<Catalog> {
  await run(`CREATE NODE TABLE IF NOT EXISTS ${positionLabel}(id STRING, ${positionProperties}, PRIMARY KEY(id))`)
  let catalog = await readCatalog(run)
  // Graphs made by earlier versions lack it.
  if (!catalog.labels.get(positionLabel)!.properties.has('totals'))
    await run(`ALTER TABLE ${positionLabel} ADD IF NOT EXISTS totals STRING`)
  const grow = async (statements: readonly string[]): Promise<void> => {
    for (const statement of statements) await run(statement)
    if (statements.length > 0) catalog = await readCatalog(run)
  }
  for (const [label, wanted] of wantedLabels(options)) await grow(labelGrowth(catalog.labels.get(label), label, wanted))
  for (const wanted of relationshipsOf(options)) await grow(relationshipGrowth(catalog, wanted))
  return catalog
}

function wantedLabels({ nodes = {}, stubs = {} }: GraphOptions): Map<string, WantedLabel> {
  const wanted = new Map<string, WantedLabel>()
  for (const [label, { key, keyType = 'long', properties }] of Object.entries(nodes))
    wanted.set(label, { key, keyType, properties: new Map(Object.entries(properties)) })
  for (const [label, { key, keyType = 'long', name: named, properties = {} }] of Object.entries(stubs)) {
    const own = new Map(Object.entries(properties))
    if (named !== undefined) own.set('name', 'string')
    const known = wanted.get(label)?.properties ?? []
    wanted.set(label, { key, keyType, properties: new Map([...own, ...known]) })
  }
  return wanted
}

function labelGrowth(known: LabelInfo | undefined, label: string, wanted: WantedLabel): string[] {
  const properties = new Map([...wanted.properties].map(([property, type]) => [property, graphType(type)]))
  properties.set('stub', 'BOOL')
  if (known === undefined) {
    const columns = [[wanted.key, graphType(wanted.keyType)] as const, ...properties]
    const list = columns.map(([property, type]) => `${name(property)} ${type}`).join(', ')
    return [`CREATE NODE TABLE ${name(label)}(${list}, PRIMARY KEY(${name(wanted.key)}))`]
  }
  if (known.key !== wanted.key || known.keyType !== wanted.keyType)
    throw mismatch(`label ${label}`, `keyed by ${known.key} ${known.keyType}`, `by ${wanted.key} ${wanted.keyType}`)
  return propertyGrowth(label, known.properties, properties)
}

function relationshipGrowth({ labels, relationships, pairs }: Catalog, wanted: TypedRelationship): string[] {
  for (const label of [wanted.fromNode, wanted.toNode]) if (!labels.has(label)) throw undeclared(wanted.type, label)
  const known = relationships.get(wanted.type)
  const properties = new Map([[wanted.key, 'STRING']])
  for (const [property, type] of Object.entries(wanted.properties)) properties.set(property, graphType(type))
  const pair = `FROM ${name(wanted.fromNode)} TO ${name(wanted.toNode)}`
  if (known === undefined) {
    const columns = [...properties].map(([property, type]) => `${name(property)} ${type}`).join(', ')
    return [`CREATE REL TABLE ${name(wanted.type)}(${pair}, ${columns})`]
  }
  const [key] = known.keys()
  if (key !== wanted.key) throw mismatch(`relationship ${wanted.type}`, `keyed by ${key}`, `by ${wanted.key}`)
  const growth = propertyGrowth(wanted.type, known, properties)
  if (pairs.some((stored) => samePair(stored, wanted))) return growth
  return [...growth, `ALTER TABLE ${name(wanted.type)} ADD IF NOT EXISTS ${pair}`]
}

function propertyGrowth(
  table: string,
  known: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
): string[] {
  for (const [property, type] of wanted) {
    const stored = known.get(property) ?? type
    if (stored !== type) throw mismatch(`property ${table}.${property}`, stored, type)
  }
  const added = [...wanted].filter(([property]) => !known.has(property))
  return added.map(([property, type]) => `ALTER TABLE ${name(table)} ADD IF NOT EXISTS ${name(property)} ${type}`)
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
