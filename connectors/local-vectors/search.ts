/** Exact semantic search over the embedded vector store. */
import { type Connection, identifier, literal, type Row } from '../../engine/duckdb.ts'
import type { DuckdbStore } from '../../engine/duckdb-store.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Column } from '../../engine/schema.ts'
import { checkEmbedder, type StoredNamespace } from '../vectors/embedder-identity.ts'
import { fused, heaviestFirst } from '../vectors/fusion.ts'
import type { Match, SearchOptions, VectorStore } from '../vectors/store.ts'
import { mayBeMeant, type NamedHits, namedOf, titleIndex } from '../vectors/titles.ts'
import { type Condition, conditionOf } from './filter.ts'
import { metadataColumns, storedNamespaces, tableOf, vectorCount } from './namespace.ts'

/** The store for queries. */
export function openVectorStore(store: DuckdbStore): VectorStore {
  return {
    async search(vector, options) {
      if (!store.exists()) throw notFound(`vector store not found: ${store.path}`)
      return store.use(
        'read',
        async (connection) => {
          const spaces = chosen(await storedNamespaces(connection), options)
          for (const space of spaces) checkEmbedder(space, options.embedder)
          if (vector.every((value) => value === 0)) return []
          return fused(await foundIn(connection, spaces, vector, options), options.topK)
        },
        options.signal,
      )
    },
    async texts(column) {
      if (!store.exists()) return []
      return store.use('read', (connection) => textsOf(connection, column))
    },
    async counts() {
      if (!store.exists()) return new Map()
      return store.use('read', async (connection) => {
        const counts = new Map<string, number>()
        for (const { namespace } of await storedNamespaces(connection))
          counts.set(namespace, await vectorCount(connection, namespace))
        return counts
      })
    },
  }
}

/** The namespaces that are searched. `TABLE_NOT_FOUND` for one that is not there. */
export function chosen(
  stored: readonly StoredNamespace[],
  { namespace }: Pick<SearchOptions, 'namespace'>,
): readonly StoredNamespace[] {
  if (namespace === undefined) return stored
  const found = stored.filter((space) => space.namespace === namespace)
  if (found.length === 0)
    throw notFound(
      `vector namespace not found: ${namespace}; there are: ${stored.map((s) => s.namespace).join(', ') || 'none'}`,
    )
  return found
}

/** What is to be searched is not there. */
export function notFound(message: string): MillraceError {
  return new MillraceError('TABLE_NOT_FOUND', `${message} (run a pipeline that fills it first)`)
}

/** What is found by name and by meaning, each best first. */
export interface Hits {
  readonly exact: readonly Match[]
  readonly words: readonly Match[]
  readonly near: readonly Match[]
}

export const noHits = { exact: [], words: [], near: [] } as const

/** What the store itself finds in some of its namespaces. */
export async function foundIn(
  connection: Connection,
  spaces: readonly StoredNamespace[],
  vector: Float32Array,
  options: SearchOptions,
): Promise<Hits> {
  const { topK, title, where = {}, leastScore = Number.NEGATIVE_INFINITY } = options
  const [exact, words, near]: [Match[], Match[], Match[]] = [[], [], []]
  for (const space of spaces) {
    const columns = await metadataColumns(connection, space.namespace)
    const condition = conditionOf(where, columns)
    if (condition === null) continue
    const find = async (of: Condition, most: number) => {
      const rows = await connection.rows(nearest(space, vector, of, most), of.parameters)
      return rows.map((row) => match(space, row))
    }
    near.push(...(await find(condition, topK)))
    if (title === undefined) continue
    const hits = await namedIn(connection, space, { title, columns, condition, topK })
    const ids = [...hits.exact, ...hits.words]
    if (ids.length === 0) continue
    const sql = `(${condition.sql}) AND id IN (${ids.map((id) => literal(id)).join(', ')})`
    const found = new Map((await find({ ...condition, sql }, ids.length)).map((each) => [each.id, each]))
    exact.push(...hits.exact.flatMap((id) => found.get(id) ?? []))
    words.push(...hits.words.flatMap((id) => found.get(id) ?? []))
  }
  const similar = near.filter(({ score }) => score >= leastScore)
  if (title !== undefined) exact.sort(heaviestFirst(title))
  return { exact, words, near: similar.sort(byScore).slice(0, topK) }
}

interface NamedQuestion {
  readonly title: NonNullable<SearchOptions['title']>
  readonly columns: readonly Column[]
  readonly condition: Condition
  readonly topK: number
}

/** What is found by name in one namespace, by looking at all its titles, and keeping those that may be meant. */
async function namedIn(
  connection: Connection,
  { namespace }: StoredNamespace,
  { title, columns, condition, topK }: NamedQuestion,
): Promise<NamedHits> {
  const wanted = [...title.columns, title.mostFirst].filter((name) => columns.some((column) => column.name === name))
  const isMeant = mayBeMeant(title.text)
  const titles = titleIndex()
  const rows = connection.chunks(
    `SELECT ${['id', ...wanted].map(identifier).join(', ')} FROM ${tableOf(namespace)} WHERE ${condition.sql}`,
    condition.parameters,
  )
  for await (const [ids = [], ...values] of rows)
    for (const [row, id] of ids.entries()) {
      const named = Object.fromEntries(wanted.map((name, column) => [name, values[column]![row]]))
      const found = namedOf(String(id), named, title)
      if (isMeant(found)) titles.put(found)
    }
  return titles.find(title.text, topK)
}

/** Texts of the lists of all namespaces. */
async function textsOf(connection: Connection, column: string): Promise<string[]> {
  const texts = new Set<string>()
  for (const { namespace } of await storedNamespaces(connection)) {
    const found = (await metadataColumns(connection, namespace)).find(({ name }) => name === column)
    if (found === undefined || typeof found.type !== 'object' || found.type.kind !== 'array') continue
    const rows = await connection.rows(
      `SELECT DISTINCT unnest(${identifier(column)})::VARCHAR AS text FROM ${tableOf(namespace)}`,
    )
    for (const { text } of rows) if (text !== null) texts.add(String(text))
  }
  return [...texts].sort()
}

function nearest(
  { namespace, dimension }: StoredNamespace,
  vector: Float32Array,
  { sql }: Condition,
  topK: number,
): string {
  const query = `[${[...vector].map((value) => literal(value)).join(', ')}]::FLOAT[${dimension}]`
  const table = tableOf(namespace)
  const order = 'ORDER BY millrace_score DESC, id'
  // what is stored beside a vector is read of those that were found alone
  return `WITH best AS (
      SELECT id, array_cosine_similarity(embedding, ${query}) AS millrace_score FROM ${table}
      WHERE array_inner_product(embedding, embedding) > 0 AND (${sql}) ${order} LIMIT ${Math.floor(topK)}
    ) SELECT found.* EXCLUDE (embedding), millrace_score FROM best JOIN ${table} AS found USING (id) ${order}`
}

function match({ namespace }: StoredNamespace, row: Row): Match {
  const { id, millrace_score: score, ...metadata } = row
  return { namespace, id: String(id), score: Number(score), metadata }
}

type Place = Pick<Match, 'score' | 'namespace' | 'id'>

/** Best first, ties by namespace and id. */
export function byScore(a: Place, b: Place): number {
  if (a.score !== b.score) return b.score - a.score
  return compare(a.namespace, b.namespace) || compare(a.id, b.id)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
