/** How two nodes are connected: `Ann - Some Film - Bob`. */
import { MillraceError } from '../../engine/errors.ts'
import { name } from '../graph/cypher.ts'
import { findNode } from '../graph/find.ts'
import type { PathQuestion, PathStep } from '../graph/store.ts'
import type { Catalog, LabelInfo } from '../graph/sync/catalog.ts'
import { readCatalog } from './catalog.ts'
import type { RunCypher } from './database.ts'
import { ladybugDialect } from './dialect.ts'

/** As `Graph.shortestPath` promises. */
export async function shortestPath(read: RunCypher, question: PathQuestion): Promise<readonly PathStep[] | null> {
  const catalog = await readCatalog(read)
  const label = catalog.labels.get(question.label)
  if (label === undefined)
    throw new MillraceError(
      'CONFIG_INVALID',
      `graph has no nodes ${question.label} (run a pipeline that writes them first)`,
    )
  const via = question.via.filter((type) => catalog.relationships.has(type))
  const graph = { query: read, dialect: ladybugDialect }
  const findable = { ...label, named: 'name', via }
  const from = await findNode(graph, findable, question.from)
  const to = await findNode(graph, findable, question.to)
  if (from.key === to.key) return [{ label: label.label, ...from, via: null }]
  return via.length === 0
    ? null
    : walk(read, catalog, label, { via, from: from.key, to: to.key, maxHops: question.maxHops ?? 15 })
}

async function walk(
  read: RunCypher,
  catalog: Catalog,
  { label, key, keyType }: LabelInfo,
  path: { readonly via: readonly string[]; readonly from: string; readonly to: string; readonly maxHops: number },
): Promise<PathStep[] | null> {
  const value = (parameter: string) => (keyType === 'long' ? `CAST($${parameter} AS INT64)` : `$${parameter}`)
  const node = (variable: string) => `(${variable}:${name(label)} {${name(key)}: ${value(variable)}})`
  const labels = joined(catalog, path.via)
  const keys = [...new Set(labels.map((info) => info.key))]
  const texts = ['name', 'title'].filter((property) => labels.some((info) => info.properties.has(property)))
  const [row] = await read(
    `MATCH p = ${node('a')}-[:${typesOf(path.via)}* SHORTEST 1..${path.maxHops}]-${node('b')}
     RETURN properties(nodes(p), '_label') AS labels, properties(rels(p), '_label') AS via` +
      keys.map((property, i) => `, CAST(properties(nodes(p), '${property}') AS STRING[]) AS k${i}`).join('') +
      texts.map((property, i) => `, properties(nodes(p), '${property}') AS t${i}`).join(''),
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

function typesOf(types: readonly string[]): string {
  return types.map(name).join('|')
}
