/**
 * What the graph is known to hold, and the one lock that all who write to it take first. Both are a node: it has the label of the positions, and
 * belongs to no pipeline.
 */
import { name } from '../graph/cypher.ts'
import type { GraphOptions } from '../graph/description.ts'
import type { PairInfo } from '../graph/relationships.ts'
import { type Catalog, grownCatalog, type LabelInfo, positionLabel } from '../graph/sync/catalog.ts'
import type { Neo4j, ResultRow, RunStatement } from './client.ts'

/** Positions have a `/` in theirs. */
const catalogId = 'graph'

/**
 * Makes what a description's labels lack of uniqueness constraints: without them, looking a key up would read the whole label, and two who
 * write at once could both make its node. Schema is no part of transactions, and is there when this returns.
 */
export async function ensureConstraints(neo4j: Neo4j, { nodes = {}, stubs = {} }: GraphOptions): Promise<void> {
  const keys = new Map([...Object.entries(nodes), ...Object.entries(stubs)].map(([label, { key }]) => [label, key]))
  const made = await ownConstraints(neo4j.read)
  for (const [label, key] of [[positionLabel, 'id'] as const, ...keys]) {
    const constraint = constraintName(label, key)
    if (made.has(constraint)) continue
    await neo4j.run(
      `CREATE CONSTRAINT ${name(constraint)} IF NOT EXISTS FOR (n:${name(label)}) REQUIRE n.${name(key)} IS UNIQUE`,
    )
  }
}

/** Names of the constraints that {@link ensureConstraints} has made. */
export async function ownConstraints(read: RunStatement): Promise<ReadonlySet<string>> {
  const rows = await read('SHOW CONSTRAINTS YIELD name')
  return new Set(rows.map((row) => String(row.name)).filter((constraint) => constraint.startsWith('millrace_')))
}

function constraintName(label: string, key: string): string {
  return `millrace_${label}_${key}`
}

/**
 * Makes everybody else who writes to the graph wait until the transaction ends. Batches of different pipelines read and write the same stubs,
 * and Neo4j lets a transaction see what others commit meanwhile: one after another they are as in the embedded store. Returns the catalog.
 */
export async function lockGraph(run: RunStatement, by: string): Promise<Catalog | null> {
  return catalogIn(
    await run(`MERGE (g:${positionLabel} {id: $id}) SET g.locked_by = $by RETURN g.catalog AS catalog`, {
      id: catalogId,
      by,
    }),
  )
}

/** All pipelines' labels, types and pairs; null before the first commit. */
export async function readCatalog(run: RunStatement): Promise<Catalog | null> {
  return catalogIn(await run(`MATCH (g:${positionLabel} {id: $id}) RETURN g.catalog AS catalog`, { id: catalogId }))
}

function catalogIn([row]: readonly ResultRow[]): Catalog | null {
  return typeof row?.catalog === 'string' ? parseCatalog(row.catalog) : null
}

/**
 * The catalog `known` with what a description adds, in the transaction that holds the lock. Errors as those of {@link grownCatalog}.
 */
export async function growCatalog(run: RunStatement, known: Catalog | null, options: GraphOptions): Promise<Catalog> {
  const grown = grownCatalog(known ?? empty, options, (type) => type)
  const catalog = formatCatalog(grown)
  if (known === null || formatCatalog(known) !== catalog)
    await run(`MATCH (g:${positionLabel} {id: $id}) SET g.catalog = $catalog`, { id: catalogId, catalog })
  return grown
}

const empty: Catalog = { labels: new Map(), relationships: new Map(), pairs: [] }

type Entries = readonly (readonly [string, string])[]

interface Written {
  readonly labels: readonly (Omit<LabelInfo, 'properties'> & { readonly properties: Entries })[]
  readonly relationships: readonly (readonly [type: string, properties: Entries])[]
  readonly pairs: readonly PairInfo[]
}

function formatCatalog({ labels, relationships, pairs }: Catalog): string {
  const written: Written = {
    labels: [...labels.values()].map((info) => ({ ...info, properties: [...info.properties] })),
    relationships: [...relationships].map(([type, properties]) => [type, [...properties]]),
    pairs,
  }
  return JSON.stringify(written)
}

function parseCatalog(text: string): Catalog {
  const { labels, relationships, pairs } = JSON.parse(text) as Written
  return {
    labels: new Map(labels.map((info) => [info.label, { ...info, properties: new Map(info.properties) }])),
    relationships: new Map(relationships.map(([type, properties]) => [type, new Map(properties)])),
    pairs,
  }
}
