/** A node by what a person calls it: its key, or its name. The same Cypher for every store. */
import { MillraceError } from '../../engine/errors.ts'
import { name } from './cypher.ts'
import type { KeyType } from './description.ts'
import type { Graph, GraphRow } from './store.ts'

/** Nodes that may be looked for. */
export interface Findable {
  readonly label: string
  /** Property that identifies a node. */
  readonly key: string
  readonly keyType: KeyType
  /** Property that people know it by. */
  readonly named: string
  /** Types of relationships: of several nodes with one name the one with the most of these is meant. */
  readonly via: readonly string[]
}

/** A node that was found. */
export interface FoundNode {
  /** As text. */
  readonly key: string
  readonly name: string | null
}

/** What is used of a graph. */
export type Asked = Pick<Graph, 'query' | 'dialect'>

/** By key first, else by name in any case. `CONFIG_INVALID` where there is none, naming those that come near. */
export async function findNode(graph: Asked, findable: Findable, wanted: string): Promise<FoundNode> {
  const [found] = [...(await byKey(graph, findable, wanted)), ...(await byName(graph, findable, wanted))]
  if (found !== undefined) return found
  const { label, named } = findable
  const rows = await graph.query(
    `MATCH (n:${name(label)}) WHERE toLower(n.${name(named)}) CONTAINS toLower($wanted)
     RETURN DISTINCT n.${name(named)} AS name ORDER BY name LIMIT 5`,
    { wanted },
  )
  const near = rows.map((row) => String(row.name))
  const hint = near.length === 0 ? 'check the spelling' : `did you mean ${near.join(', ')}?`
  throw new MillraceError('CONFIG_INVALID', `no ${label} is named ${wanted} (${hint})`, {
    context: { label, wanted, near },
  })
}

async function byKey(graph: Asked, findable: Findable, wanted: string): Promise<FoundNode[]> {
  const { label, key, keyType, named } = findable
  if (keyType === 'long' && !/^-?\d{1,18}$/.test(wanted)) return []
  const { text, long } = graph.dialect
  const value = keyType === 'long' ? long('$wanted') : '$wanted'
  const rows = await graph.query(
    `MATCH (n:${name(label)}) WHERE n.${name(key)} = ${value} RETURN ${text(`n.${name(key)}`)} AS key, n.${name(named)} AS name`,
    { wanted },
  )
  return rows.map(node)
}

/** Best first. */
async function byName(graph: Asked, findable: Findable, wanted: string): Promise<FoundNode[]> {
  const { label, key, named, via } = findable
  const match = `MATCH (n:${name(label)}) WHERE toLower(n.${name(named)}) = toLower($wanted)`
  const result = `RETURN ${graph.dialect.text(`n.${name(key)}`)} AS key, n.${name(named)} AS name`
  const rows =
    via.length === 0
      ? await graph.query(`${match} ${result}, 0 AS degree`, { wanted })
      : await graph.query(
          `${match} OPTIONAL MATCH (n)-[r:${via.map(name).join('|')}]-() ${result}, count(r) AS degree`,
          {
            wanted,
          },
        )
  return [...rows].sort(byDegree).map(node)
}

function byDegree(a: GraphRow, b: GraphRow): number {
  const [left, right] = [String(a.key), String(b.key)]
  return Number(b.degree) - Number(a.degree) || left.length - right.length || (left < right ? -1 : 1)
}

function node(row: GraphRow): FoundNode {
  return { key: String(row.key), name: row.name === null ? null : String(row.name) }
}
