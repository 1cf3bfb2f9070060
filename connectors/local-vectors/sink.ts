/** Vectors in an embedded DuckDB file: rows and position in one transaction. */
import { commitToStore, positionInStore } from '../../checkpoints/duckdb-commit.ts'
import { duckdbType } from '../../engine/batch/duckdb-types.ts'
import type { Clock, RefusedRow, RowRefusingSink, SinkCommit, WriteCounts } from '../../engine/contracts.ts'
import { type Connection, type Duckdb, identifier } from '../../engine/duckdb.ts'
import type { DuckdbStore } from '../../engine/duckdb-store.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'
import type { VectorsOptions } from '../vectors/description.ts'
import { checkEmbedder, type EmbedderIdentity, type StoredNamespace } from '../vectors/embedder-identity.ts'
import { checkVectors, metadataColumns, refusedVectors, scan, takenRows } from '../vectors/incoming.ts'
import { skippedVectors } from '../vectors/skipped.ts'
import { noteChanges } from './changes.ts'
import { checkMetadata, growNamespace, storedNamespaces, tableOf } from './namespace.ts'

export interface VectorsSinkOptions {
  readonly store: DuckdbStore
  /** Looks at what comes before the store is asked. */
  readonly duckdb: () => Promise<Duckdb>
  readonly description: VectorsOptions
  /** The embedder that the description names. */
  readonly embedder: EmbedderIdentity
  readonly clock: Clock
}

/**
 * Upserts and deletes vectors by id; the namespace is there from the first batch, vectors or not. An id that one batch both upserts and deletes is upserted; of several rows with
 * one id the greatest wins. Counts `inserted`, `updated` and `deleted` (ids that were there). `SINK_FAILED` for a namespace of
 * another embedder, told with the position already, before anything is embedded, and for a vector of another length. Refused are rows without an id or a
 * vector, and vectors with a value that is no number.
 */
export function vectorsSink(options: VectorsSinkOptions): RowRefusingSink {
  let prepared: string | null = null
  return {
    name: `store vectors/${options.description.namespace}`,
    delivery: 'exactly-once',
    async position(pipeline) {
      if (options.store.exists()) await options.store.use('read', (connection) => refuseOthers(connection, options))
      return positionInStore(options.store, pipeline)
    },
    async prepare(commit) {
      prepared = null
      const refused = await checkBatch(options, commit)
      prepared = commit.txnId
      return refused
    },
    async abandon() {
      prepared = null
    },
    async commit(commit) {
      if (prepared !== commit.txnId) assertNone(options, await checkBatch(options, commit)) // nobody has set them aside
      return commitToStore(options, commit, (connection) => writeVectors(connection, options, commit))
    },
    async close() {},
  }
}

/** What the commit would refuse for good, whether the store is there yet or not; the rows that are refused for what is in them. */
async function checkBatch(options: VectorsSinkOptions, commit: SinkCommit): Promise<readonly RefusedRow[]> {
  const { description, embedder, store } = options
  const { namespace, upserts } = description
  const files = commit.outputs.get(upserts) ?? []
  if (store.exists())
    await store.use('read', async (connection) => {
      const stored = await refuseOthers(connection, options)
      const columns = files.length > 0 ? metadataColumns(files) : knownMetadata(commit, upserts)
      if (stored !== undefined) await checkMetadata(connection, namespace, columns)
    })
  if (files.length === 0) return []
  return (await options.duckdb()).withConnection(async (connection) => {
    await checkVectors(connection, files, { namespace, dimension: embedder.dimension })
    return refusedVectors(connection, { input: upserts, files, demand: 'numbers' })
  })
}

function assertNone({ description: { namespace } }: VectorsSinkOptions, refused: readonly RefusedRow[]): void {
  const [first] = refused
  if (first === undefined) return
  throw new MillraceError(
    'SINK_FAILED',
    `vector namespace ${namespace} refuses ${refused.length} rows: ${first.message}: ${first.row.slice(0, 120)} (nothing was written)`,
    { context: { namespace, rows: refused.length } },
  )
}

async function refuseOthers(
  connection: Connection,
  { description: { namespace }, embedder }: VectorsSinkOptions,
): Promise<StoredNamespace | undefined> {
  const stored = (await storedNamespaces(connection)).find((known) => known.namespace === namespace)
  if (stored !== undefined) checkEmbedder(stored, embedder)
  return stored
}

async function writeVectors(
  connection: Connection,
  options: VectorsSinkOptions,
  commit: SinkCommit,
): Promise<WriteCounts> {
  const { namespace, upserts, deletes } = options.description
  const stored = await refuseOthers(connection, options)
  const gone = deletes === undefined ? [] : (commit.outputs.get(deletes) ?? [])
  const deleted = stored === undefined || gone.length === 0 ? 0 : await deleteIds(connection, namespace, gone)
  const files = commit.outputs.get(upserts) ?? []
  if (files.length === 0) await growNamespace(connection, namespace, options.embedder, knownMetadata(commit, upserts))
  const written = files.length === 0 ? { inserted: 0, updated: 0 } : await upsert(connection, options, files)
  const changed = [
    ...(deleted === 0 ? [] : [`SELECT id::VARCHAR AS id FROM ${scan(gone)}`]),
    ...(files.length === 0 ? [] : [`SELECT id::VARCHAR AS id FROM ${scan(files)} WHERE id IS NOT NULL`]),
  ]
  if (changed.length > 0)
    await noteChanges(connection, { namespace, txnId: commit.txnId, changed: changed.join(' UNION ALL ') })
  return { ...written, deleted, ...skippedVectors(options.description, commit.outputs) }
}

/** What is known of the columns beside vectors where no file tells of them. */
function knownMetadata({ columns }: SinkCommit, upserts: string) {
  return (columns.get(upserts) ?? []).filter(({ name }) => name !== 'id' && name !== 'embedding')
}

async function deleteIds(connection: Connection, namespace: string, files: readonly ParquetFile[]): Promise<number> {
  const rows = await connection.rows(
    `DELETE FROM ${tableOf(namespace)} WHERE id IN (SELECT id::VARCHAR FROM ${scan(files)}) RETURNING 1`,
  )
  return rows.length
}

async function upsert(
  connection: Connection,
  { description, embedder }: VectorsSinkOptions,
  files: readonly ParquetFile[],
): Promise<{ readonly inserted: number; readonly updated: number }> {
  const incoming = metadataColumns(files)
  const columns = await growNamespace(connection, description.namespace, embedder, incoming)
  const table = tableOf(description.namespace)
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE incoming AS SELECT id::VARCHAR AS id, count(*) AS rows FROM ${takenRows(files, 'numbers')} GROUP BY ALL`,
  )
  const replaced = await connection.rows(`DELETE FROM ${table} WHERE id IN (SELECT id FROM temp.incoming) RETURNING 1`)
  // of a row that is refused, what it was before is not what it is
  await connection.run(`DELETE FROM ${table} WHERE id IN (SELECT id::VARCHAR FROM ${scan(files)})`)
  const rows = incomingRows(columns, new Set(incoming.map((column) => column.name)), embedder.dimension, files)
  await connection.run(`INSERT INTO ${table} BY NAME ${rows}`)
  const [row] = await connection.rows('SELECT count(*) AS n FROM temp.incoming')
  return { inserted: Number(row?.n) - replaced.length, updated: replaced.length }
}

/** The greatest row of each id of `temp.incoming`. Those that are the only ones of their id need not be held to be compared. */
function incomingRows(
  columns: readonly Column[],
  present: ReadonlySet<string>,
  dimension: number,
  files: readonly ParquetFile[],
): string {
  const metadata = columns.map(({ name, type }) => {
    const value = present.has(name) ? identifier(name) : 'NULL'
    return `CAST(${value} AS ${duckdbType(type)}) AS ${identifier(name)}`
  })
  const list = ['id::VARCHAR AS id', `embedding::FLOAT[${dimension}] AS embedding`, ...metadata].join(', ')
  const greatest = ['embedding', ...columns.map(({ name }) => identifier(name))]
    .map((name) => `${name} DESC`)
    .join(', ')
  const taken = (only: string): string =>
    `SELECT ${list} FROM ${takenRows(files, 'numbers')} WHERE id::VARCHAR IN (SELECT id FROM temp.incoming WHERE ${only})`
  return `(${taken('rows = 1')}) UNION ALL
    (FROM (${taken('rows > 1')}) QUALIFY row_number() OVER (PARTITION BY id ORDER BY ${greatest}) = 1)`
}
