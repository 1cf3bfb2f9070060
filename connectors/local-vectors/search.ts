/** Exact semantic search over the embedded vector store. */
import { type Connection, literal, type Row } from '../../engine/duckdb.ts'
import type { DuckdbStore } from '../../engine/duckdb-store.ts'
import { MillraceError } from '../../engine/errors.ts'
import { checkEmbedder, type StoredNamespace } from '../vectors/embedder-identity.ts'
import type { Match, SearchOptions, VectorStore } from '../vectors/store.ts'
import { type Condition, conditionOf } from './filter.ts'
import { metadataColumns, storedNamespaces, tableOf } from './namespace.ts'

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
          const found: Match[] = []
          for (const space of spaces) found.push(...(await nearestIn(connection, space, vector, options)))
          return found.sort(byScore).slice(0, options.topK)
        },
        options.signal,
      )
    },
    async counts() {
      if (!store.exists()) return new Map()
      return store.use('read', async (connection) => {
        const counts = new Map<string, number>()
        for (const { namespace } of await storedNamespaces(connection)) {
          const [row] = await connection.rows(`SELECT count(*) AS n FROM ${tableOf(namespace)}`)
          counts.set(namespace, Number(row?.n))
        }
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

/** The nearest in one namespace, best first. */
export async function nearestIn(
  connection: Connection,
  space: StoredNamespace,
  vector: Float32Array,
  { where = {}, topK }: SearchOptions,
): Promise<Match[]> {
  const condition = conditionOf(where, await metadataColumns(connection, space.namespace))
  if (condition === null) return []
  const rows = await connection.rows(nearest(space, vector, condition, topK), condition.parameters)
  return rows.map((row) => match(space, row))
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
