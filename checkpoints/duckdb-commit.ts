/** The commit rule for stores that are DuckDB files: rows and position in one transaction. */
import type { Clock, CommitOutcome, SinkCommit, SinkPosition, WriteCounts } from '../engine/contracts.ts'
import { writeFailure } from '../engine/disk-full.ts'
import { type Connection, literal } from '../engine/duckdb.ts'
import type { DuckdbStore } from '../engine/duckdb-store.ts'
import { faultPoint } from '../engine/fault-points.ts'
import { admits } from './fence.ts'
import { totalsAfter, totalsIn } from './totals.ts'

const CREATE = `CREATE TABLE IF NOT EXISTS _millrace_positions (
  pipeline VARCHAR, source_partition VARCHAR, next_version BIGINT,
  fingerprint VARCHAR, txn_id VARCHAR, written VARCHAR, updated_at TIMESTAMPTZ, totals VARCHAR)`

/** Stores made by earlier versions lack it. */
const GROW = 'ALTER TABLE _millrace_positions ADD COLUMN IF NOT EXISTS totals VARCHAR'

interface StoredPosition {
  readonly source_partition: string
  readonly next_version: bigint
  readonly fingerprint: string
  readonly txn_id: string
  readonly written: string
  readonly totals?: string | null
}

/** What the store holds of a pipeline's source; nothing before its first commit. */
export async function positionInStore(store: DuckdbStore, pipeline: string): Promise<SinkPosition> {
  if (!store.exists()) return { position: new Map(), fingerprint: null }
  const rows = await store.use('read', (connection) => storedPositions(connection, pipeline))
  const totals = totalsIn(rows.map((row) => row.totals ?? null))
  const fingerprint = rows[0]?.fingerprint ?? null
  return { position: positionOf(rows), fingerprint, ...(totals === undefined ? {} : { totals }) }
}

/**
 * Runs `write` and moves the position in one transaction, if the commit rule admits it. `write` runs on the store's
 * connection and must leave the transaction open; what it throws undoes everything.
 */
export async function commitToStore(
  options: { readonly store: DuckdbStore; readonly clock: Clock },
  commit: SinkCommit,
  write: (connection: Connection) => Promise<WriteCounts>,
): Promise<CommitOutcome> {
  faultPoint('sink-begin')
  const outcome = await options.store.use(
    'write',
    (connection) =>
      inTransaction(connection, options.store.path, async (): Promise<CommitOutcome> => {
        const stored = await storedPositions(connection, commit.pipeline)
        const own = ownCommit(stored, commit)
        if (own !== null) return { kind: 'already-committed', written: own }
        const position = positionOf(stored)
        if (!admits(position, commit.ranges, commit.initial)) return { kind: 'fenced', position }
        const written = await write(connection)
        await movePosition(connection, commit, { stored, written, nowMs: options.clock.nowMs() })
        faultPoint('store-before-commit')
        return { kind: 'committed', written }
      }),
    commit.signal,
  )
  if (outcome.kind === 'committed') faultPoint('store-after-commit')
  return outcome
}

async function inTransaction(
  connection: Connection,
  path: string,
  work: () => Promise<CommitOutcome>,
): Promise<CommitOutcome> {
  await connection.run('BEGIN TRANSACTION')
  try {
    const outcome = await work()
    await connection.run(outcome.kind === 'committed' ? 'COMMIT' : 'ROLLBACK')
    return outcome
  } catch (error) {
    throw writeFailure(`commit to store ${path} failed, nothing was written`, error, { path })
  }
}

async function storedPositions(connection: Connection, pipeline: string): Promise<StoredPosition[]> {
  const [found] = await connection.rows(
    `SELECT 1 FROM duckdb_tables() WHERE database_name = current_database() AND table_name = '_millrace_positions'`,
  )
  if (found === undefined) return []
  const rows = await connection.rows(
    `SELECT * FROM _millrace_positions WHERE pipeline = ${literal(pipeline)} ORDER BY updated_at DESC, source_partition`,
  )
  return rows as unknown as StoredPosition[]
}

function positionOf(rows: readonly StoredPosition[]): Map<string, bigint> {
  return new Map(rows.map((row) => [row.source_partition, row.next_version]))
}

/** What our own commit wrote, if this very transaction is in the store already. */
function ownCommit(stored: readonly StoredPosition[], commit: SinkCommit): WriteCounts | null {
  const rows = new Map(stored.map((row) => [row.source_partition, row]))
  const first = commit.ranges[0]
  const landed = commit.ranges.every(({ sourcePartition }) => rows.get(sourcePartition)?.txn_id === commit.txnId)
  if (first === undefined || !landed) return null
  return JSON.parse(rows.get(first.sourcePartition)!.written) as WriteCounts
}

async function movePosition(
  connection: Connection,
  commit: SinkCommit,
  {
    stored,
    written,
    nowMs,
  }: { readonly stored: readonly StoredPosition[]; readonly written: WriteCounts; readonly nowMs: number },
): Promise<void> {
  await connection.run(CREATE)
  await connection.run(GROW)
  if (commit.ranges.length === 0) return
  const partitions = commit.ranges.map((range) => literal(range.sourcePartition)).join(', ')
  await connection.run(
    `DELETE FROM _millrace_positions WHERE pipeline = ${literal(commit.pipeline)} AND source_partition IN (${partitions})`,
  )
  const rest = [commit.fingerprint, commit.txnId, JSON.stringify(written)].map(literal).join(', ')
  const held = new Map(stored.map((row) => [row.source_partition, row.totals ?? null]))
  const totals = totalsAfter(held, commit.ranges, written)
  const rows = commit.ranges.map(
    ({ sourcePartition, end }, i) =>
      `(${literal(commit.pipeline)}, ${literal(sourcePartition)}, ${end}, ${rest}, epoch_ms(${Math.floor(nowMs)}), ${literal(totals[i]!)})`,
  )
  await connection.run(`INSERT INTO _millrace_positions VALUES ${rows.join(', ')}`)
}
