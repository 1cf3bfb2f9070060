/** How far pipelines are, in a table of the same database. */
import type { Position, SinkCommit, WriteCounts } from '../../engine/contracts.ts'
import { identified, startedPartition } from '../../engine/identity.ts'
import type { Clickhouse } from './client.ts'

const TABLE = '_millrace_positions'

/** What the store holds of one source partition. */
export interface HeldPosition {
  readonly sourcePartition: string
  readonly next: bigint
  readonly fingerprint: string
  readonly txnId: string
  readonly written: string
}

/** Creates the table if it is missing. */
export function createPositions(clickhouse: Clickhouse): Promise<void> {
  return clickhouse.run(`CREATE TABLE IF NOT EXISTS ${TABLE} (
    pipeline String, source_partition String, next_version Int64, fingerprint String, txn_id String, written String,
    version UInt64, updated_at DateTime64(3, 'UTC'))
    ENGINE = ReplacingMergeTree(version) ORDER BY (pipeline, source_partition)`)
}

/** Newest first; none before the first commit. */
export async function heldPositions(clickhouse: Clickhouse, pipeline: string): Promise<HeldPosition[]> {
  const there = await clickhouse.rows(
    'SELECT 1 AS one FROM system.tables WHERE database = currentDatabase() AND name = {table:String}',
    { table: TABLE },
  )
  if (there.length === 0) return []
  const rows = await clickhouse.rows(
    `SELECT * FROM ${TABLE} FINAL WHERE pipeline = {pipeline:String} ORDER BY version DESC, updated_at DESC, source_partition`,
    { pipeline },
  )
  return rows.map((row) => ({
    sourcePartition: String(row.source_partition),
    next: BigInt(String(row.next_version)),
    fingerprint: String(row.fingerprint),
    txnId: String(row.txn_id),
    written: String(row.written),
  }))
}

/** As the commit rule wants it. */
export function positionOf(held: readonly HeldPosition[]): Map<string, bigint> {
  return new Map(held.map(({ sourcePartition, next }) => [sourcePartition, next]))
}

/** What our own commit wrote, if this very transaction is in the store already. */
export function ownCommit(held: readonly HeldPosition[], commit: SinkCommit): WriteCounts | null {
  const byPartition = new Map(held.map((each) => [each.sourcePartition, each]))
  const first = commit.ranges[0]
  const landed = commit.ranges.every(({ sourcePartition }) => byPartition.get(sourcePartition)?.txnId === commit.txnId)
  if (first === undefined || !landed) return null
  return JSON.parse(byPartition.get(first.sourcePartition)!.written) as WriteCounts
}

/**
 * The version of what a batch writes: how far its pipeline is in all, once it is written. It grows with every batch that moves a
 * position, and is the same when a batch is run again.
 */
export function versionOf(held: Position, { ranges }: Pick<SinkCommit, 'ranges'>): bigint {
  const after = new Map([...held, ...ranges.map(({ sourcePartition, end }) => [sourcePartition, end] as const)])
  const read = [...after].filter(
    ([partition]) => identified(partition) === null && startedPartition(partition) === null,
  )
  return read.reduce((sum, [, next]) => sum + next, 0n)
}

/** Writes where the ranges end: the last thing that a commit does. */
export async function movePosition(
  clickhouse: Clickhouse,
  commit: SinkCommit,
  { version, written, nowMs }: { readonly version: bigint; readonly written: WriteCounts; readonly nowMs: number },
): Promise<void> {
  if (commit.ranges.length === 0) return
  await clickhouse.run(
    `INSERT INTO ${TABLE} SELECT {pipeline:String}, p.1, toInt64(p.2), {fingerprint:String}, {txn:String}, {written:String},
       {version:UInt64}, fromUnixTimestamp64Milli({now:Int64})
     FROM (SELECT arrayJoin(arrayZip({partitions:Array(String)}, {ends:Array(String)})) AS p)`,
    {
      pipeline: commit.pipeline,
      partitions: commit.ranges.map(({ sourcePartition }) => sourcePartition),
      ends: commit.ranges.map(({ end }) => String(end)),
      fingerprint: commit.fingerprint,
      txn: commit.txnId,
      written: JSON.stringify(written),
      version: String(version),
      now: String(Math.floor(nowMs)),
    },
  )
}
