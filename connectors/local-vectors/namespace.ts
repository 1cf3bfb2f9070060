/** The table behind a namespace: its columns, and the embedder that its vectors come from. */
import { describeColumns, duckdbType } from '../../engine/batch/duckdb-types.ts'
import { type Connection, identifier, literal } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { type Column, formatType, sameType } from '../../engine/schema.ts'
import { checkEmbedder, type EmbedderIdentity, type StoredNamespace } from '../vectors/embedder-identity.ts'

const embedderTable = '_millrace_embedders'

/** The table's quoted name. */
export function tableOf(namespace: string): string {
  return identifier(`vectors:${namespace}`)
}

/** Namespaces of the store with their embedders, by name. */
export async function storedNamespaces(connection: Connection): Promise<StoredNamespace[]> {
  const [found] = await connection.rows(
    `SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() AND table_name = ${literal(embedderTable)}`,
  )
  if (found === undefined) return []
  const rows = await connection.rows(`SELECT namespace, embedder, dimension FROM ${embedderTable} ORDER BY namespace`)
  return rows.map((row) => ({
    namespace: String(row.namespace),
    id: String(row.embedder),
    dimension: Number(row.dimension),
  }))
}

/**
 * Creates the namespace or adds the metadata columns it lacks; all its metadata columns. Errors: a different embedder
 * (`SINK_FAILED`), a column that changed its type (`SCHEMA_MISMATCH`).
 */
export async function growNamespace(
  connection: Connection,
  namespace: string,
  embedder: EmbedderIdentity,
  metadata: readonly Column[],
): Promise<readonly Column[]> {
  const table = tableOf(namespace)
  const stored = (await storedNamespaces(connection)).find((known) => known.namespace === namespace)
  if (stored === undefined) await createNamespace(connection, namespace, embedder)
  else checkEmbedder(stored, embedder)
  const columns = await metadataColumns(connection, namespace)
  const known = new Map(columns.map((column) => [column.name, column]))
  const added = metadata.filter((column) => !known.has(column.name))
  for (const column of metadata) checkType(namespace, known.get(column.name), column)
  for (const { name, type } of added)
    await connection.run(`ALTER TABLE ${table} ADD COLUMN ${identifier(name)} ${duckdbType(type)}`)
  return [...columns, ...added]
}

/** What {@link growNamespace} would refuse of a namespace that is there. Writes nothing. */
export async function checkMetadata(
  connection: Connection,
  namespace: string,
  metadata: readonly Column[],
): Promise<void> {
  const known = new Map((await metadataColumns(connection, namespace)).map((column) => [column.name, column]))
  for (const column of metadata) checkType(namespace, known.get(column.name), column)
}

/** Vectors of a namespace that is there. */
export async function vectorCount(connection: Connection, namespace: string): Promise<number> {
  const [row] = await connection.rows(`SELECT count(*) AS n FROM ${tableOf(namespace)}`)
  return Number(row?.n)
}

/** What is stored beside the vectors of a namespace. */
export async function metadataColumns(connection: Connection, namespace: string): Promise<readonly Column[]> {
  const rows = `SELECT 0 AS millrace_row, * FROM ${tableOf(namespace)}` // no query has no column
  return (await describeColumns(connection, `SELECT * EXCLUDE (id, embedding) FROM (${rows})`)).slice(1)
}

async function createNamespace(connection: Connection, namespace: string, embedder: EmbedderIdentity): Promise<void> {
  await connection.run(
    `CREATE TABLE IF NOT EXISTS ${embedderTable} (namespace VARCHAR, embedder VARCHAR, dimension INTEGER)`,
  )
  await connection.run(
    `INSERT INTO ${embedderTable} VALUES (${literal(namespace)}, ${literal(embedder.id)}, ${embedder.dimension})`,
  )
  await connection.run(`CREATE TABLE ${tableOf(namespace)} (id VARCHAR, embedding FLOAT[${embedder.dimension}])`)
}

function checkType(namespace: string, stored: Column | undefined, incoming: Column): void {
  if (stored === undefined || sameType(stored.type, incoming.type)) return
  throw new MillraceError(
    'SCHEMA_MISMATCH',
    `vector namespace ${namespace}: column ${incoming.name} is ${formatType(stored.type)} in the store and ` +
      `${formatType(incoming.type)} in the batch (cast it in the step that makes it)`,
    { context: { namespace, column: incoming.name } },
  )
}
