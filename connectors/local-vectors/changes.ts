/** Which vectors the last commits changed: whoever holds a copy of them reads those alone. Part of each commit. */
import { type Connection, literal } from '../../engine/duckdb.ts'

const changesTable = '_millrace_vector_changes'

/** Commits that are remembered of a namespace. */
const keptCommits = 64
/** Of a commit that changes more only this is remembered: a copy is then read as a whole. */
const mostIds = 5_000

/** A commit to a namespace. */
export interface VectorChange {
  /** One more than that of the commit before. */
  readonly number: bigint
  /** The commit's own id, by which two stores at the same path are told apart. */
  readonly txnId: string
}

/** Notes that the ids of a relation with a column `id` were changed, and forgets what nobody should need. */
export async function noteChanges(
  connection: Connection,
  { namespace, txnId, changed }: { readonly namespace: string; readonly txnId: string; readonly changed: string },
): Promise<void> {
  await connection.run(
    `CREATE TABLE IF NOT EXISTS ${changesTable} (namespace VARCHAR, change BIGINT, txn_id VARCHAR, id VARCHAR)`,
  )
  const own = `namespace = ${literal(namespace)}`
  const [row] = await connection.rows(
    `SELECT (SELECT coalesce(max(change), 0) FROM ${changesTable} WHERE ${own}) + 1 AS next,
      (SELECT count(DISTINCT id) FROM (${changed})) AS ids`,
  )
  const [next, ids] = [BigInt(row?.next as bigint), Number(row?.ids)]
  if (ids === 0) return
  const which = ids > mostIds ? 'SELECT NULL AS id' : `SELECT DISTINCT id FROM (${changed})`
  await connection.run(
    `INSERT INTO ${changesTable} SELECT ${literal(namespace)}, ${next}, ${literal(txnId)}, id FROM (${which})`,
  )
  await connection.run(`DELETE FROM ${changesTable} WHERE ${own} AND change <= ${next - BigInt(keptCommits)}`)
}

/** The last commit to a namespace; null where none was noted. */
export async function lastChange(connection: Connection, namespace: string): Promise<VectorChange | null> {
  if (!(await isThere(connection))) return null
  const [row] = await connection.rows(
    `SELECT change, txn_id FROM ${changesTable} WHERE namespace = ${literal(namespace)} ORDER BY change DESC LIMIT 1`,
  )
  return row === undefined ? null : { number: BigInt(row.change as bigint), txnId: String(row.txn_id) }
}

/** The ids that were changed after a commit, as a query of a column `id`; null where that is not known any more. */
export async function changesSince(
  connection: Connection,
  namespace: string,
  since: VectorChange,
): Promise<string | null> {
  const own = `namespace = ${literal(namespace)}`
  const [row] = await connection.rows(
    `SELECT count(*) FILTER (change = ${since.number} AND txn_id = ${literal(since.txnId)}) AS known,
      count(*) FILTER (change > ${since.number} AND id IS NULL) AS many FROM ${changesTable} WHERE ${own}`,
  )
  if (Number(row?.known) === 0 || Number(row?.many) > 0) return null
  return `SELECT DISTINCT id FROM ${changesTable} WHERE ${own} AND change > ${since.number}`
}

async function isThere(connection: Connection): Promise<boolean> {
  const [found] = await connection.rows(
    `SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() AND table_name = ${literal(changesTable)}`,
  )
  return found !== undefined
}
