/** Relationships of the owners that a batch names: what is new, what is gone, what stays. */
import { type Connection, identifier } from '../../../engine/duckdb.ts'
import { MillraceError } from '../../../engine/errors.ts'
import { name } from '../cypher.ts'
import type { GraphOptions, PropertyType } from '../description.ts'
import { relationshipsOf, type TypedRelationship } from '../relationships.ts'
import type { LabelInfo } from './catalog.ts'
import { counted, countIn, createTables, expectRows, looked } from './exchange.ts'
import { type GraphBatch, keysOf, labelOf, labelTables, scan, type TakenBatch } from './inputs.ts'
import { type RefusedKey, refusedRelationships } from './refused.ts'
import { exchangeType, exported, takenType, toExchange } from './types.ts'

/**
 * Changes to the relationships of one type between two labels. Both tables hold the keys of the two nodes in `f` and `t`,
 * `added` also the key in `k`, properties in `p0`, ... and those of a stub it may create in `s0`, ...; `dropped` the
 * relationship's number in `given`.
 */
export interface RelationshipChanges {
  readonly relationship: TypedRelationship
  /** Label of the node that is not the owner. */
  readonly other: string
  /** Column of the owner's key, and of the other node's. */
  readonly ends: { readonly owner: 'f' | 't'; readonly other: 'f' | 't' }
  readonly added: string
  readonly dropped: string
  readonly counts: { readonly added: number; readonly dropped: number; readonly unchanged: number }
}

/** What is compared of one type of relationships, and in which temporary tables. */
interface Comparison extends Omit<RelationshipChanges, 'counts'> {
  /** What the batch brings, and what the graph has. */
  readonly fresh: string
  readonly stored: string
}

/** Compares the batch's relationships with the graph's; those of owners that it names. Reads only. */
export async function takeRelationships(batch: TakenBatch): Promise<RelationshipChanges[]> {
  const { owners } = batch.options
  if (owners === undefined) return []
  const { sql } = batch.exchange
  const { keyType } = labelOf(batch, owners.node)
  const { removed } = labelTables(batch, owners.node)
  await sql.run(
    `CREATE OR REPLACE TEMP TABLE owners AS ${keysOf(batch, owners.from, owners.key, keyType)} UNION SELECT k FROM ${removed}`,
  )
  if ((await countIn(sql, 'SELECT count(*) FROM owners')) === 0) return []
  const compared = relationshipsOf(batch.options).map((relationship, i) => comparisonOf(owners.node, relationship, i))
  const fresh = await createTables(
    sql,
    compared.map((each) => [each.fresh, freshRows(batch, each, removed)]),
  )
  for (const each of compared) await takeStored(batch, each)
  const differing = await createTables(sql, compared.flatMap(differences))
  return compared.map((each) => {
    const [added, dropped] = [differing.get(each.added)!, differing.get(each.dropped)!]
    return { ...each, counts: { added, dropped, unchanged: fresh.get(each.fresh)! - added } }
  })
}

function comparisonOf(owner: string, relationship: TypedRelationship, index: number): Comparison {
  const { fromNode, toNode } = relationship
  return {
    relationship,
    ...(fromNode === owner
      ? { ends: { owner: 'f', other: 't' }, other: toNode }
      : { ends: { owner: 't', other: 'f' }, other: fromNode }),
    fresh: `fresh_${index}`,
    stored: `stored_${index}`,
    added: `added_${index}`,
    dropped: `dropped_${index}`,
  }
}

function differences({ relationship, fresh, stored, added, dropped }: Comparison): [string, string][] {
  const columns = ['f', 't', 'k', ...Object.keys(relationship.properties).map((_, i) => `p${i}`)]
  const same = columns.map((column) => `a.${column} IS NOT DISTINCT FROM b.${column}`).join(' AND ')
  return [
    [added, `SELECT a.* FROM ${fresh} a ANTI JOIN ${stored} b ON ${same}`],
    [dropped, `SELECT a.* FROM ${stored} a ANTI JOIN ${fresh} b ON ${same}`],
  ]
}

function freshRows(
  batch: GraphBatch,
  { relationship, other, ends: { owner } }: Comparison,
  removedOwners: string,
): string {
  const { fromNode, toNode, fromKey, toKey, key, properties } = relationship
  const stub = batch.options.stubs?.[other]?.properties ?? {}
  const columns: (readonly [name: string, column: string, type: PropertyType])[] = [
    ['f', fromKey, labelOf(batch, fromNode).keyType],
    ['t', toKey, labelOf(batch, toNode).keyType],
    ['k', key, 'string'],
    ...Object.entries(properties).map(([property, type], i) => [`p${i}`, property, type] as const),
    ...Object.entries(stub).map(([property, type], i) => [`s${i}`, property, type] as const),
  ]
  const files = scan(batch, relationship.from)
  const list = columns.map(([name, column, type]) =>
    files === null ? `NULL::${exchangeType(type)} AS ${name}` : `${toExchange(identifier(column), type)} AS ${name}`,
  )
  const order = columns.map(([name]) => name).join(', ')
  const refused = refusedRelationships(batch.refused, relationship, { owner, other })
  return `SELECT * FROM (SELECT ${list.join(', ')}${files === null ? '' : ` FROM ${files}`})
    WHERE f IS NOT NULL AND t IS NOT NULL AND k IS NOT NULL
      AND ${owner} IN (SELECT k FROM owners) AND ${owner} NOT IN (SELECT k FROM ${removedOwners})${refused}
    QUALIFY row_number() OVER (PARTITION BY ${owner}, k ORDER BY ${order}) = 1`
}

async function takeStored(batch: GraphBatch, { relationship, stored, ends: { owner } }: Comparison): Promise<void> {
  const { exchange } = batch
  const { type, fromNode, toNode, key, properties } = relationship
  const [from, to] = [labelOf(batch, fromNode), labelOf(batch, toNode)]
  const own = Object.entries(properties)
  const columns = [
    `given ${exchange.dialect.relationshipIdType}`,
    `f ${exchangeType(from.keyType)}`,
    `t ${exchangeType(to.keyType)}`,
    'k VARCHAR',
    ...own.map(([, propertyType], i) => `p${i} ${takenType(propertyType)}`),
  ]
  const { text, relationshipId } = exchange.dialect
  const returned =
    `${text(relationshipId('r'))} AS given, ${text(`a.${name(from.key)}`)} AS f,
     ${text(`b.${name(to.key)}`)} AS t, r.${name(key)} AS k` +
    own
      .map(([property, propertyType], i) => `, ${exported(`r.${name(property)}`, propertyType, text)} AS p${i}`)
      .join('')
  const [variable, label, keyName] = owner === 'f' ? ['a', fromNode, from.key] : ['b', toNode, to.key]
  const statement = (node: string, clause: string): string =>
    owner === 'f'
      ? `MATCH ${node}-[r:${name(type)}]->(b:${name(toNode)}) ${clause} RETURN ${returned}`
      : `MATCH (a:${name(fromNode)})-[r:${name(type)}]->${node} ${clause} RETURN ${returned}`
  const query = 'SELECT k AS given FROM owners'
  await exchange.find({ query, variable: variable!, label: label!, key: keyName!, statement }, stored, columns)
}

/** Relationships that end at a node which is not there. A store that names rows which it does not take can go on without them. */
export class EndsMissing extends MillraceError {
  readonly relationship: TypedRelationship
  /** Label of the nodes that are not there. */
  readonly label: string
  /** A query for the relationships: `f`, `t` and `k` as text. */
  readonly query: string

  constructor(
    message: string,
    { relationship, label, query }: { relationship: TypedRelationship; label: string; query: string },
  ) {
    super('SINK_FAILED', message, { context: { type: relationship.type, label } })
    this.relationship = relationship
    this.label = label
    this.query = query
  }
}

/**
 * The relationships of an {@link EndsMissing} whose ends the description itself writes as nodes: rows to be refused. Of any other error none: where
 * another pipeline writes the nodes, it may be late.
 */
export async function relationshipsWithoutEnds(
  error: unknown,
  { sql, description }: { readonly sql: Connection; readonly description: GraphOptions },
): Promise<RefusedKey[]> {
  if (!(error instanceof EndsMissing) || description.nodes?.[error.label] === undefined) return []
  const origin = { kind: 'relationships', relationship: error.relationship } as const
  const rows = await sql.rows(error.query)
  return rows.map(({ f, t, k }) => ({ origin, f: String(f), t: String(t), k: String(k), message: error.message }))
}

/**
 * {@link EndsMissing} if a new relationship ends at a node that is neither in the graph, nor written, nor a stub. After
 * {@link countRewritten}, which has looked the owners up.
 */
export async function checkEnds(batch: GraphBatch, changes: readonly RelationshipChanges[]): Promise<void> {
  for (const { relationship, added, counts } of changes)
    for (const [end, label] of [
      ['f', relationship.fromNode],
      ['t', relationship.toNode],
    ] as const)
      if (counts.added > 0 && batch.options.stubs?.[label] === undefined)
        await checkEnd(batch, { relationship, added }, { end, label })
}

async function checkEnd(
  batch: GraphBatch,
  { relationship, added }: Pick<RelationshipChanges, 'relationship' | 'added'>,
  { end, label }: { readonly end: 'f' | 't'; readonly label: string },
): Promise<void> {
  const { written } = labelTables(batch, label)
  const wanted = `SELECT DISTINCT ${end} AS k FROM ${added} WHERE ${end} NOT IN (SELECT k FROM ${written})`
  const isOwner = label === batch.options.owners?.node
  const notThere = isOwner ? ownersNotThere : nodesNotThere
  if (!isOwner) await takeMissing(batch, { table: notThere, label, keys: `SELECT k AS given FROM (${wanted})` })
  const [missing] = await batch.exchange.sql.rows(
    `SELECT min(k)::VARCHAR AS k, count(*) AS n FROM (${wanted}) SEMI JOIN ${notThere} USING (k)`,
  )
  if (Number(missing?.n) === 0) return
  const query = `SELECT f::VARCHAR AS f, t::VARCHAR AS t, k FROM ${added} WHERE ${end} IN (SELECT k FROM (${wanted}) SEMI JOIN ${notThere} USING (k))`
  throw new EndsMissing(
    `relationship ${relationship.type} joins ${label} ${missing?.k} (one of ${missing?.n}), which is not in the graph ` +
      '(write the node in the same batch or before, or declare the label a stub)',
    { relationship, label, query },
  )
}

const [ownersNotThere, nodesNotThere] = ['owners_not_there', 'nodes_not_there'] as const

/** Which of the keys (`given`) have no node: a temporary table with `k`. Returns how many have one. */
async function takeMissing(
  batch: GraphBatch,
  { table, label, keys }: { readonly table: string; readonly label: string; readonly keys: string },
): Promise<number> {
  const { exchange } = batch
  const { key, keyType } = labelOf(batch, label)
  const column = `k ${exchangeType(keyType)}`
  const wanted = await exchange.give(keys)
  if (wanted === null) {
    await exchange.sql.run(`CREATE OR REPLACE TEMP TABLE ${table} (${column})`)
    return 0
  }
  const { text, seek } = exchange.dialect
  const results = await wanted.run(
    `OPTIONAL MATCH (n:${name(label)} {${name(key)}: given}) ${seek('n', label, key)}
     RETURN count(*) AS n, collect(CASE WHEN n.${name(key)} IS NULL THEN [${text('given')}] END) AS told`,
  )
  const missing = looked(`nodes ${label}`, results, { wanted: wanted.rows, columns: ['k'] })
  return wanted.rows - (await exchange.take(table, missing, [column]))
}

/** Owners that the graph had before this batch, and keeps, of which a relationship is written or removed. */
export async function countRewritten(batch: GraphBatch, changes: readonly RelationshipChanges[]): Promise<number> {
  const { owners } = batch.options
  if (owners === undefined) return 0
  const touched = changes.flatMap(({ added, dropped, ends, counts }) => [
    ...(counts.added > 0 ? [`SELECT ${ends.owner} AS given FROM ${added}`] : []),
    ...(counts.dropped > 0 ? [`SELECT ${ends.owner} AS given FROM ${dropped}`] : []),
  ])
  if (touched.length === 0) return 0
  const { removed } = labelTables(batch, owners.node)
  const kept = `SELECT DISTINCT given FROM (${touched.join(' UNION ALL ')}) WHERE given NOT IN (SELECT k FROM ${removed})`
  return takeMissing(batch, { table: ownersNotThere, label: owners.node, keys: kept })
}

/** Deletes what is gone. */
export async function dropRelationships(batch: GraphBatch, changes: readonly RelationshipChanges[]): Promise<void> {
  for (const {
    relationship: { type, fromNode, toNode },
    dropped,
    counts,
  } of changes) {
    if (counts.dropped === 0) continue
    const given = (await batch.exchange.give(`SELECT given FROM ${dropped}`))!
    const done = await given.run(
      `MATCH (a:${name(fromNode)})-[r:${name(type)}]->(b:${name(toNode)})
       WHERE ${batch.exchange.dialect.relationshipId('r')} = given DELETE r RETURN count(*) AS n`,
    )
    expectRows(`relationships ${type} deleted`, counted(done), given.rows)
  }
}

/** Creates what is new; both ends exist by now. In Ladybug a rolled back COPY, which would be faster, empties the whole table. */
export async function addRelationships(batch: GraphBatch, changes: readonly RelationshipChanges[]): Promise<void> {
  const { value, seek, endsBy } = batch.exchange.dialect
  for (const { relationship, added, counts } of changes) {
    if (counts.added === 0) continue
    const { type, fromNode, toNode, key, properties } = relationship
    const origin = { kind: 'relationships', relationship } as const
    const given = (await batch.exchange.give(`SELECT * FROM ${added} ORDER BY f, t, k`, origin))!
    const values = Object.entries(properties).map(([property, propertyType], i) => {
      return `, ${name(property)}: ${value(`p${i}`, propertyType)}`
    })
    const [from, to] = [labelOf(batch, fromNode), labelOf(batch, toNode)]
    const end = (verb: 'MATCH' | 'MERGE', variable: string, { label, key }: LabelInfo, column: string) =>
      `${verb} (${variable}:${name(label)} {${name(key)}: ${column}})${verb === 'MATCH' ? seek(variable, label, key) : ''}`
    const created = (verb: 'MATCH' | 'MERGE') =>
      `${end(verb, 'a', from, 'f')} ${end(verb, 'b', to, 't')}
       CREATE (a)-[:${name(type)} {${name(key)}: k${values.join('')}}]->(b) RETURN count(*) AS n`
    const done = await given.run(created(endsBy), created('MERGE'))
    expectRows(`relationships ${type} created`, counted(done), given.rows)
  }
}
