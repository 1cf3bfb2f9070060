/** Writes and removes the nodes that a batch names. */
import { name } from '../cypher.ts'
import type { GraphNodes } from '../description.ts'
import { counted, expectRows } from './exchange.ts'
import { type GraphBatch, labelOf, labelTables, type TakenBatch } from './inputs.ts'

const keysPerStatement = 5_000

/** Inserts or replaces nodes; a stub becomes a node of its own. */
export async function writeNodes(batch: TakenBatch): Promise<number> {
  let nodes = 0
  for (const [label, { properties }] of Object.entries(batch.options.nodes ?? {}))
    nodes += await writeLabel(batch, label, properties)
  return nodes
}

async function writeLabel(batch: TakenBatch, label: string, properties: GraphNodes['properties']): Promise<number> {
  const { written } = labelTables(batch, label)
  if (batch.rows.get(written) === 0) return 0
  const given = (await batch.exchange.give(`SELECT * FROM ${written} ORDER BY k`, { kind: 'nodes', label }))!
  const values = Object.entries(properties).map(([property, type], i) => {
    return `, n.${name(property)} = ${batch.exchange.dialect.value(`p${i}`, type)}`
  })
  const done = await given.run(
    `MERGE (n:${name(label)} {${name(labelOf(batch, label).key)}: k})
     SET n.stub = false${values.join('')} RETURN count(*) AS n`,
  )
  expectRows(`nodes ${label} written`, counted(done), given.rows)
  return given.rows
}

/** Deletes removed nodes with all their relationships, except those of stub labels. Returns how many there were. */
export async function removeNodes(batch: TakenBatch): Promise<number> {
  let removed = 0
  const { removeNodes: removals = {}, nodes = {} } = batch.options
  for (const label of new Set([...Object.keys(removals), ...Object.keys(nodes)])) {
    const gone = labelTables(batch, label).removed // of nodes those that are refused
    if (batch.options.stubs?.[label] === undefined && batch.rows.get(gone) !== 0)
      removed += await deleteNodes(batch, label, `SELECT k FROM ${gone}`, 'DETACH DELETE')
  }
  return removed
}

/** Deletes the nodes whose keys a query gives in column `k`; plain `DELETE` fails if one still has relationships. */
export async function deleteNodes(
  batch: GraphBatch,
  label: string,
  query: string,
  verb: 'DELETE' | 'DETACH DELETE',
): Promise<number> {
  const { key, keyType } = labelOf(batch, label)
  const keys = (await batch.exchange.sql.rows(`SELECT k::VARCHAR AS k FROM (${query}) ORDER BY k`)).map((row) =>
    String(row.k),
  )
  const { long, seek } = batch.exchange.dialect
  const value = keyType === 'long' ? long('given') : 'given'
  let deleted = 0
  for (let start = 0; start < keys.length; start += keysPerStatement) {
    const done = await batch.exchange.run(
      `UNWIND $keys AS given MATCH (n:${name(label)} {${name(key)}: ${value}}) ${seek('n', label, key)} ${verb} n RETURN count(*) AS n`,
      { keys: keys.slice(start, start + keysPerStatement) },
    )
    deleted += counted(done)
  }
  return deleted
}
