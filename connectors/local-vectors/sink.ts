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

/** Vectors that are compared with others of the same id, at a time: a part of the least memory that a store has. */
const comparedBytes = 2 ** 22

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
  const { ids, repeated, areAllTaken } = await countIncoming(connection, files)
  const replaced = await connection.rows(`DELETE FROM ${table} WHERE id IN (SELECT id FROM temp.incoming) RETURNING 1`)
  // of a row that is refused, what it was before is not what it is
  if (!areAllTaken) await connection.run(`DELETE FROM ${table} WHERE id IN (SELECT id::VARCHAR FROM ${scan(files)})`)
  const relation = areAllTaken ? scan(files) : takenRows(files, 'numbers') // which looks at each value of each vector
  const rows = incomingRows(columns, new Set(incoming.map((column) => column.name)), embedder.dimension, relation)
  await connection.run(`INSERT INTO ${table} BY NAME ${rows.ofIds('rows = 1')}`)
  const parts = Math.ceil((repeated * embedder.dimension * Float32Array.BYTES_PER_ELEMENT) / comparedBytes)
  for (let part = 0; part < parts; part += 1)
    await connection.run(
      `INSERT INTO ${table} BY NAME ${rows.greatestOfIds(`rows > 1 AND hash(id) % ${parts} = ${part}`)}`,
    )
  return { inserted: ids - replaced.length, updated: replaced.length }
}

/** Of `temp.incoming`: how many ids, how many rows of ids that have several, and whether it has all rows of the files. */
async function countIncoming(connection: Connection, files: readonly ParquetFile[]) {
  const [row] = await connection.rows(
    `SELECT count(*) AS ids, coalesce(sum(rows) FILTER (rows > 1), 0) AS repeated,
      coalesce(sum(rows), 0) = (SELECT count(*) FROM ${scan(files)}) AS all_taken FROM temp.incoming`,
  )
  return { ids: Number(row?.ids), repeated: Number(row?.repeated), areAllTaken: row?.all_taken === true }
}

/** Rows of a relation as the table has them, of the ids of `temp.incoming` for which a condition holds. */
function incomingRows(columns: readonly Column[], present: ReadonlySet<string>, dimension: number, relation: string) {
  const metadata = columns.map(({ name, type }) => {
    const value = present.has(name) ? identifier(name) : 'NULL'
    return `CAST(${value} AS ${duckdbType(type)}) AS ${identifier(name)}`
  })
  const list = ['id::VARCHAR AS id', `embedding::FLOAT[${dimension}] AS embedding`, ...metadata].join(', ')
  const values = ['embedding', ...columns.map(({ name }) => identifier(name))]
  const ofIds = (condition: string): string =>
    `SELECT ${list} FROM ${relation} WHERE id::VARCHAR IN (SELECT id FROM temp.incoming WHERE ${condition})`
  return {
    ofIds,
    /** The greatest of each id: its rows are held to be compared, and no others. */
    greatestOfIds: (condition: string): string =>
      `SELECT id, unnest(max(struct_pack(${values.map((value) => `${value} := ${value}`).join(', ')}))) FROM (${ofIds(condition)}) GROUP BY id`,
  }
}
