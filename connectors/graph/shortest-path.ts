/** How two nodes are connected: `Ann - Some Film - Bob`. The same for every store, but for how a path is asked for. */
import { MillraceError } from '../../engine/errors.ts'
import { name } from './cypher.ts'
import { findNode } from './find.ts'
import type { CypherDialect, PathQuestion, PathStep, ReadCypher } from './store.ts'
import type { Catalog, LabelInfo } from './sync/catalog.ts'

/** Where stores spell paths differently. */
export interface PathDialect extends CypherDialect {
  /** `MATCH` of a shortest path `p` between two node patterns. */
  shortest(from: string, to: string, along: { readonly types: string; readonly maxHops: number }): string
  /** Lists along `p`: the labels of its nodes, the types of its relationships, a property of its nodes as it is or as text. */
  readonly labels: string
  readonly types: string
  property(property: string): string
  propertyAsText(property: string): string
}

/** What is asked. */
export interface AskedGraph {
  readonly read: ReadCypher
  readonly dialect: PathDialect
  readonly catalog: Catalog
}

/** As `Graph.shortestPath` promises. */
export async function shortestPath(graph: AskedGraph, question: PathQuestion): Promise<readonly PathStep[] | null> {
  const { read, dialect, catalog } = graph
  const label = catalog.labels.get(question.label)
  if (label === undefined)
    throw new MillraceError(
      'CONFIG_INVALID',
      `graph has no nodes ${question.label} (run a pipeline that writes them first)`,
    )
  const via = question.via.filter((type) => catalog.relationships.has(type))
  const asked = { query: read, dialect }
  const findable = { ...label, named: 'name', via }
  const from = await findNode(asked, findable, question.from)
  const to = await findNode(asked, findable, question.to)
  if (from.key === to.key) return [{ label: label.label, ...from, via: null }]
  return via.length === 0
    ? null
    : walk(graph, label, { via, from: from.key, to: to.key, maxHops: question.maxHops ?? 15 })
}

async function walk(
  { read, dialect, catalog }: AskedGraph,
  { label, key, keyType }: LabelInfo,
  path: { readonly via: readonly string[]; readonly from: string; readonly to: string; readonly maxHops: number },
): Promise<PathStep[] | null> {
  const value = (parameter: string) => (keyType === 'long' ? dialect.long(`$${parameter}`) : `$${parameter}`)
  const node = (variable: string) => `(${variable}:${name(label)} {${name(key)}: ${value(variable)}})`
  const labels = joined(catalog, path.via)
  const keys = [...new Set(labels.map((info) => info.key))]
  const texts = ['name', 'title'].filter((property) => labels.some((info) => info.properties.has(property)))
  const along = { types: path.via.map(name).join('|'), maxHops: path.maxHops }
  const [row] = await read(
    `${dialect.shortest(node('a'), node('b'), along)} RETURN ${dialect.labels} AS labels, ${dialect.types} AS via` +
      keys.map((property, i) => `, ${dialect.propertyAsText(property)} AS k${i}`).join('') +
      texts.map((property, i) => `, ${dialect.property(property)} AS t${i}`).join(''),
    { a: path.from, b: path.to },
  )
  if (row === undefined) return null
  const column = (of: string) => row[of] as readonly (string | null)[]
  return column('labels').map((stepLabel, i) => {
    const own = keys.indexOf(catalog.labels.get(stepLabel!)!.key)
    const names = texts.map((_, text) => column(`t${text}`)[i]).filter((text) => text !== null && text !== undefined)
    return {
      label: stepLabel!,
      key: column(`k${own}`)[i]!,
      name: names[0] ?? null,
      via: i === 0 ? null : column('via')[i - 1]!,
    }
  })
}

/** Labels that relationships of the types join. */
function joined({ pairs, labels }: Catalog, types: readonly string[]): LabelInfo[] {
  const names = pairs.filter((pair) => types.includes(pair.type)).flatMap((pair) => [pair.fromNode, pair.toNode])
  return [...new Set(names)].map((label) => labels.get(label)!)
}
