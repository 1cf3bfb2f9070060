/** Tables of the graph: what is there, and what a description needs. */
import { name } from '../graph/cypher.ts'
import type { GraphOptions } from '../graph/description.ts'
import { type PairInfo, samePair } from '../graph/relationships.ts'
import { type Catalog, grownCatalog, type LabelInfo, positionLabel } from '../graph/sync/catalog.ts'
import type { GraphRow, RunCypher } from './database.ts'
import { graphType, keyTypeOf, text } from './types.ts'

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

/**
 * Makes the tables and columns that a description lacks; never takes any away. Each statement stands alone, since an
 * empty table is nothing that a reader could see. Errors as those of {@link grownCatalog}.
 */
export async function growSchema(run: RunCypher, options: GraphOptions): Promise<Catalog> {
  await run(`CREATE NODE TABLE IF NOT EXISTS ${positionLabel}(id STRING, ${positionProperties}, PRIMARY KEY(id))`)
  const known = await readCatalog(run)
  // Graphs made by earlier versions lack it.
  if (!known.labels.get(positionLabel)!.properties.has('totals'))
    await run(`ALTER TABLE ${positionLabel} ADD IF NOT EXISTS totals STRING`)
  const statements = growth(known, grownCatalog(known, options, graphType))
  for (const statement of statements) await run(statement)
  return statements.length === 0 ? known : readCatalog(run)
}

function growth(known: Catalog, wanted: Catalog): string[] {
  const statements = [...wanted.labels.values()].flatMap((info) => labelGrowth(known.labels.get(info.label), info))
  for (const [type, properties] of wanted.relationships) {
    const pairs = wanted.pairs.filter((pair) => pair.type === type)
    statements.push(...relationshipGrowth(known, { type, properties, pairs }))
  }
  return statements
}

function labelGrowth(known: LabelInfo | undefined, { label, key, keyType, properties }: LabelInfo): string[] {
  if (known !== undefined) return propertyGrowth(label, known.properties, properties)
  const columns = columnsOf([[key, graphType(keyType)], ...properties])
  return [`CREATE NODE TABLE ${name(label)}(${columns}, PRIMARY KEY(${name(key)}))`]
}

function relationshipGrowth(
  { relationships, pairs: knownPairs }: Catalog,
  wanted: {
    readonly type: string
    readonly properties: ReadonlyMap<string, string>
    readonly pairs: readonly PairInfo[]
  },
): string[] {
  const { type, properties } = wanted
  const added = wanted.pairs.filter((pair) => !knownPairs.some((stored) => samePair(stored, pair)))
  const joined = added.map(({ fromNode, toNode }) => `FROM ${name(fromNode)} TO ${name(toNode)}`)
  const known = relationships.get(type)
  if (known === undefined)
    return [`CREATE REL TABLE ${name(type)}(${[...joined, columnsOf([...properties])].join(', ')})`]
  const pairs = joined.map((pair) => `ALTER TABLE ${name(type)} ADD IF NOT EXISTS ${pair}`)
  return [...propertyGrowth(type, known, properties), ...pairs]
}

function propertyGrowth(
  table: string,
  known: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
): string[] {
  const added = [...wanted].filter(([property]) => !known.has(property))
  return added.map(([property, type]) => `ALTER TABLE ${name(table)} ADD IF NOT EXISTS ${name(property)} ${type}`)
}

function columnsOf(columns: readonly (readonly [property: string, type: string])[]): string {
  return columns.map(([property, type]) => `${name(property)} ${type}`).join(', ')
}
