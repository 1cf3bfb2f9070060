/** Nodes that live by their relationships: which must come, go, or change their name, as a function of what is there. */

import { name } from '../cypher.ts'
import type { GraphStub } from '../description.ts'
import { type PairInfo, samePair } from '../relationships.ts'
import type { LabelInfo } from './catalog.ts'
import { counted, createTables, expectRows, looked } from './exchange.ts'
import { type GraphBatch, labelOf, labelTables, type TakenBatch } from './inputs.ts'
import { deleteNodes } from './nodes.ts'
import type { RelationshipChanges } from './relationships.ts'
import { exchangeType } from './types.ts'

/** What is to happen to the stubs of one label; `table` holds one row per node that is touched and not filled. */
export interface StubChanges {
  readonly label: string
  readonly stub: GraphStub
  /**
   * `k`, `there` (in the graph), `filled` (written by its own pipeline and removed now), `linked` (has relationships
   * after this batch), `old` and `name` (its name before and after).
   */
  readonly table: string
  readonly changes: readonly RelationshipChanges[]
  readonly counts: StubCounts
}

/** Nodes that exist only because a relationship needs them. */
export type StubCounts = Readonly<Record<keyof typeof conditions, number>>

/** What happens to the rows of {@link StubChanges.table} for which it holds. */
const conditions = {
  created: 'linked AND NOT there',
  renamed: 'linked AND there AND NOT filled AND name IS DISTINCT FROM old',
  /** Filled nodes that are removed and still linked: they become stubs. */
  emptied: 'linked AND filled',
  removed: 'there AND NOT linked AND NOT filled',
  /** Filled nodes that are removed. */
  deleted: 'there AND NOT linked AND filled',
} as const

/** Works out the stubs from the graph and the changes to come: of every label that has any to change. Reads only. */
export async function takeStubs(batch: TakenBatch, changes: readonly RelationshipChanges[]): Promise<StubChanges[]> {
  const result: StubChanges[] = []
  for (const [i, [label, stub]] of Object.entries(batch.options.stubs ?? {}).entries()) {
    const own = changes.filter(({ other, counts }) => other === label && counts.added + counts.dropped > 0)
    if ((await takeTouched(batch, label, own)) === 0) continue
    await takeRest(batch, label, stub, own)
    const table = `stubs_${i}`
    await batch.exchange.sql.run(
      `CREATE OR REPLACE TEMP TABLE ${table} AS
       SELECT c.k, c.there, c.filled, c.old, c.gained OR r.k IS NOT NULL AS linked, r.name FROM candidates c LEFT JOIN
       (SELECT k, first(name ORDER BY label, number, text, rk, type) FILTER (WHERE name IS NOT NULL) AS name
        FROM rest GROUP BY k) r USING (k)`,
    )
    result.push({ label, stub, table, changes: own, counts: await countStubs(batch, table, stub) })
  }
  return result
}

async function countStubs({ exchange }: GraphBatch, table: string, { name: named }: GraphStub): Promise<StubCounts> {
  const counts = Object.entries(conditions).map(([what, where]) => `count(*) FILTER (WHERE ${where}) AS ${what}`)
  const [row] = await exchange.sql.rows(`SELECT ${counts.join(', ')} FROM ${table}`)
  const count = (what: keyof StubCounts) => Number(row![what])
  return {
    created: count('created'),
    renamed: named === undefined ? 0 : count('renamed'),
    emptied: count('emptied'),
    removed: count('removed'),
    deleted: count('deleted'),
  }
}

/**
 * `candidates`: nodes at an end of a changed relationship, and removed ones, unless a pipeline fills them. Returns how many there are; none
 * without a table, perhaps.
 */
async function takeTouched(batch: TakenBatch, label: string, changes: readonly RelationshipChanges[]): Promise<number> {
  const { exchange } = batch
  const { key, keyType } = labelOf(batch, label)
  const { written, removed } = labelTables(batch, label)
  if (changes.length === 0 && batch.rows.get(removed) === 0) return 0
  const ends = changes.flatMap(({ added, dropped, counts, ends: { other } }) => [
    ...(counts.added > 0 ? [`SELECT ${other} AS k, true AS gained FROM ${added}`] : []),
    ...(counts.dropped > 0 ? [`SELECT ${other}, false FROM ${dropped}`] : []),
  ])
  await exchange.sql.run(
    `CREATE OR REPLACE TEMP TABLE touched AS SELECT k, bool_or(gained) AS gained
     FROM (${[`SELECT k, false AS gained FROM ${removed}`, ...ends].join(' UNION ALL ')})
     WHERE k NOT IN (SELECT k FROM ${written}) GROUP BY k`,
  )
  const someGone = batch.rows.get(removed)! > 0
  const gone = someGone ? `, k IN (SELECT k FROM ${removed}) AS gone` : ''
  const given = await exchange.give(`SELECT k AS given${gone} FROM touched`)
  if (given === null) return 0
  const { text, seek } = exchange.dialect
  const old = batch.options.stubs![label]!.name === undefined ? "''" : text('n.name')
  // of those that their own pipeline fills, most of all, nothing is to be known
  const results = await given.run(
    `OPTIONAL MATCH (n:${name(label)} {${name(key)}: given}) ${seek('n', label, key)}
     RETURN count(*) AS n, collect(CASE WHEN n.${name(key)} IS NULL OR n.stub${someGone ? ' OR gone' : ''}
       THEN [${text('given')}, ${text(`n.${name(key)}`)}, ${text('n.stub')}, ${old}] END) AS told`,
  )
  const found = looked(`nodes ${label}`, results, { wanted: given.rows, columns: ['k', 'node', 'stub', 'old'] })
  const columns = ['k', 'node'].map((column) => `${column} ${exchangeType(keyType)}`)
  await exchange.take('found', found, [...columns, 'stub BOOLEAN', 'old VARCHAR'])
  const made = await createTables(exchange.sql, [
    [
      'candidates',
      `SELECT k, gained, node IS NOT NULL AS there, node IS NOT NULL AND NOT coalesce(stub, false) AS filled, old
       FROM touched JOIN found USING (k)`,
    ],
  ])
  return made.get('candidates')!
}

/**
 * `rest`: relationships that candidates have after this batch, as far as anything depends on them: one that gives a name, and that there is any. Of a
 * label without a name only those that may have lost their last one are looked at, since nothing else depends on them.
 */
async function takeRest(
  batch: GraphBatch,
  label: string,
  stub: GraphStub,
  changes: readonly RelationshipChanges[],
): Promise<void> {
  const { exchange, catalog } = batch
  const k = exchangeType(labelOf(batch, label).keyType)
  await exchange.sql.run(
    `CREATE OR REPLACE TEMP TABLE rest (k ${k}, label VARCHAR, number BIGINT, text VARCHAR, rk VARCHAR, type VARCHAR, name VARCHAR)`,
  )
  const wanted = `SELECT k AS given FROM candidates WHERE there${stub.name === undefined ? ' AND NOT gained' : ''}`
  for (const pair of catalog.pairs)
    for (const end of ['f', 't'] as const)
      if ((end === 'f' ? pair.fromNode : pair.toNode) === label)
        await takeRestOfPair(batch, pairOf(batch, { pair, end, stub, changes }), wanted)
  for (const change of changes) await addNew(batch, label, stub, change)
}

/** Relationships of one type between stubs and the nodes at the other end, and how a statement finds them. */
interface StubPair {
  readonly type: string
  /** Property that tells relationships of one node apart. */
  readonly key: string
  /** Of the stubs, and of the nodes at the other end. */
  readonly mine: LabelInfo
  readonly theirs: LabelInfo
  readonly own: string
  readonly other: string
  /** From a stub to the other end. */
  readonly arrow: string
  /** Expression of the name that a relationship gives, or null if it gives none. */
  readonly named: string | null
  /** The relationships that the batch drops, in `given`, and the keys of stubs at their ends; null without any. */
  readonly dropped: { readonly table: string; readonly end: string } | null
}

function pairOf(
  batch: GraphBatch,
  of: {
    readonly pair: PairInfo
    /** End at which the stubs are. */
    readonly end: 'f' | 't'
    readonly stub: GraphStub
    readonly changes: readonly RelationshipChanges[]
  },
): StubPair {
  const { type, fromNode, toNode } = of.pair
  const [own, other] = of.end === 'f' ? [fromNode, toNode] : [toNode, fromNode]
  const [mine, theirs] = [labelOf(batch, own), labelOf(batch, other)]
  const arrow = of.end === 'f' ? `-[r:${name(type)}]->` : `<-[r:${name(type)}]-`
  const properties = batch.catalog.relationships.get(type)!
  const [key] = properties.keys()
  const isNamed = of.stub.name !== undefined && properties.has(of.stub.name)
  const change = of.changes.find(({ relationship }) => samePair(relationship, of.pair))
  return {
    ...{ type, key: key!, mine, theirs, own, other },
    arrow,
    named: isNamed ? `r.${name(of.stub.name!)}` : null,
    dropped: change === undefined || change.counts.dropped === 0 ? null : { table: change.dropped, end: of.end },
  }
}

/**
 * Stubs that lose a relationship are few, and all of theirs are looked at. Of the others the graph tells the first that gives a name: somebody who is at
 * the end of very many would otherwise bring them all with every batch.
 */
async function takeRestOfPair(batch: GraphBatch, pair: StubPair, wanted: string): Promise<void> {
  // which text comes first is not the same everywhere
  if (pair.theirs.keyType !== 'long') return takeAll(batch, pair, wanted)
  if (pair.dropped === null) return takeFirst(batch, pair, wanted)
  const losing = `SELECT ${pair.dropped.end} FROM ${pair.dropped.table}`
  await takeAll(batch, pair, `${wanted} AND k IN (${losing})`)
  await takeFirst(batch, pair, `${wanted} AND k NOT IN (${losing})`)
}

async function takeAll({ exchange }: GraphBatch, pair: StubPair, query: string): Promise<void> {
  const { text, relationshipId, relationshipIdType } = exchange.dialect
  const statement = (node: string, clause: string) =>
    `MATCH ${node}${pair.arrow}(o:${name(pair.other)}) ${clause} RETURN ${ends(pair, text)}, ${text(relationshipId('r'))} AS rid`
  const columns = [...endColumns(pair), `rid ${relationshipIdType}`]
  await exchange.find({ query, ...stubsOf(pair), statement }, 'rest_of_pair', columns)
  const kept = pair.dropped === null ? '' : `WHERE rid NOT IN (SELECT given FROM ${pair.dropped.table})`
  await exchange.sql.run(restOf(pair, kept))
}

/** First the nodes at whose relationships the names are, then those relationships. */
async function takeFirst({ exchange }: GraphBatch, pair: StubPair, query: string): Promise<void> {
  const { text } = exchange.dialect
  const { own, mine, other, theirs, named, arrow } = pair
  const first = named === null ? "''" : text(`min(CASE WHEN ${named} IS NOT NULL THEN o.${name(theirs.key)} END)`)
  const statement = (node: string, clause: string) =>
    `MATCH ${node}${arrow}(o:${name(other)}) ${clause}
     RETURN ${named === null ? 'DISTINCT ' : ''}${text(`n.${name(mine.key)}`)} AS k, ${first} AS o`
  const keys = [`k ${exchangeType(mine.keyType)}`, 'o VARCHAR']
  await exchange.find({ query, ...stubsOf(pair), statement }, 'firsts', keys)
  await exchange.sql.run(
    `INSERT INTO rest SELECT k, '${other}', NULL, NULL, NULL, '${pair.type}', NULL FROM firsts WHERE o IS NULL OR o = ''`,
  )
  if (named === null) return
  const naming = {
    query: 'SELECT DISTINCT CAST(o AS BIGINT) AS given FROM firsts WHERE o IS NOT NULL',
    ...{ variable: 'o', label: other, key: theirs.key },
    statement: (node: string, clause: string) =>
      `MATCH (n:${name(own)})${arrow}${node} ${clause} RETURN ${ends(pair, text)}`,
  }
  await exchange.find(naming, 'rest_of_pair', endColumns(pair))
  await exchange.sql.run(restOf(pair, 'SEMI JOIN (SELECT k, CAST(o AS BIGINT) AS o FROM firsts) USING (k, o)'))
}

function stubsOf({ own, mine }: StubPair) {
  return { variable: 'n', label: own, key: mine.key }
}

function ends({ mine, theirs, key, named }: StubPair, text: (expression: string) => string): string {
  return `${text(`n.${name(mine.key)}`)} AS k, ${text(`o.${name(theirs.key)}`)} AS o, r.${name(key)} AS rk, ${named ?? "''"} AS name`
}

function endColumns({ mine, theirs }: StubPair): readonly string[] {
  return [`k ${exchangeType(mine.keyType)}`, `o ${exchangeType(theirs.keyType)}`, 'rk VARCHAR', 'name VARCHAR']
}

function restOf({ other, theirs, type, named }: StubPair, where: string): string {
  return `INSERT INTO rest SELECT k, '${other}', ${orderOf(theirs.keyType, 'o')}, rk, '${type}',
     ${named === null ? 'NULL' : 'name'} FROM rest_of_pair ${where}`
}

async function addNew(batch: GraphBatch, label: string, stub: GraphStub, change: RelationshipChanges): Promise<void> {
  const { relationship, added, ends, counts } = change
  if (counts.added === 0) return
  const owner = relationship.fromNode === label ? relationship.toNode : relationship.fromNode
  const named = stub.name === undefined ? -1 : Object.keys(relationship.properties).indexOf(stub.name)
  await batch.exchange.sql.run(
    `INSERT INTO rest SELECT ${ends.other}, '${owner}', ${orderOf(labelOf(batch, owner).keyType, ends.owner)}, k,
     '${relationship.type}', ${named < 0 ? 'NULL' : `p${named}`} FROM ${added}`,
  )
}

function orderOf(keyType: 'long' | 'string', column: string): string {
  return keyType === 'long' ? `${column}, NULL` : `NULL, ${column}`
}

/** Creates and renames stubs, and empties removed nodes that are still linked. Before relationships are created. */
export async function writeStubs(batch: GraphBatch, stubs: readonly StubChanges[]): Promise<void> {
  for (const change of stubs) {
    const { stub, label, counts } = change
    const setName = stub.name === undefined ? '' : ', n.name = name'
    if (counts.created > 0) await create(batch, change, setName)
    if (counts.renamed > 0) await merge(batch, change, conditions.renamed, 'n.name = name')
    const empty = [...labelOf(batch, label).properties.keys()].map((property) => `n.${name(property)} = NULL`)
    const sets = `${empty.join(', ')}, n.stub = true${setName}`
    if (counts.emptied > 0) await merge(batch, change, conditions.emptied, sets)
  }
}

async function merge(batch: GraphBatch, { label, table }: StubChanges, where: string, sets: string): Promise<void> {
  const given = await batch.exchange.give(`SELECT k, name FROM ${table} WHERE ${where} ORDER BY k`)
  const done = await given!.run(
    `MERGE (n:${name(label)} {${name(labelOf(batch, label).key)}: k}) SET ${sets} RETURN count(*) AS n`,
  )
  expectRows(`stubs ${label} written`, counted(done), given!.rows)
}

async function create(batch: GraphBatch, change: StubChanges, setName: string): Promise<void> {
  const { label, stub, table, changes, counts } = change
  const own = Object.entries(stub.properties ?? {})
  const columns = own.map((_, i) => `s${i}`)
  const gaining = changes.filter((each) => each.counts.added > 0)
  const rows = gaining.map(({ added, ends }) => `SELECT ${[`${ends.other} AS k`, ...columns].join(', ')} FROM ${added}`)
  const given = await batch.exchange.give(
    `SELECT ${['c.k', 'c.name', ...columns].join(', ')} FROM ${table} c JOIN (
       SELECT * FROM (${rows.join(' UNION ALL ')}) QUALIFY row_number() OVER (PARTITION BY k ORDER BY ${['k', ...columns].join(', ')}) = 1
     ) USING (k) WHERE ${conditions.created} ORDER BY c.k`,
    { kind: 'stubs', label },
  )
  const sets = own.map(
    ([property, type], i) => `, n.${name(property)} = ${batch.exchange.dialect.value(`s${i}`, type)}`,
  )
  const done = await given!.run(
    `MERGE (n:${name(label)} {${name(labelOf(batch, label).key)}: k})
     SET n.stub = true${setName}${sets.join('')} RETURN count(*) AS n`,
  )
  expectRows(`stubs ${label} created`, counted(done), counts.created)
}

/** Deletes stubs and removed nodes that are left without relationships. After those are gone. */
export async function removeStubs(batch: GraphBatch, stubs: readonly StubChanges[]): Promise<void> {
  for (const { label, table, counts } of stubs) {
    if (counts.removed + counts.deleted === 0) continue
    const gone = `SELECT k FROM ${table} WHERE there AND NOT linked`
    const done = await deleteNodes(batch, label, gone, 'DELETE')
    expectRows(`stubs ${label} deleted`, done, counts.removed + counts.deleted)
  }
}
