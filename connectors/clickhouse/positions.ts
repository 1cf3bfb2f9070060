/** How far pipelines are, in a table of the same database. */
import { totalsAfter } from '../../checkpoints/totals.ts'
import type { SinkCommit, WriteCounts } from '../../engine/contracts.ts'
import { identified, startedPartition } from '../../engine/identity.ts'
import type { Clickhouse } from './client.ts'

/** The table that they are in. */
export const positionsTable = '_millrace_positions'

/** What the store holds of one source partition. */
export interface HeldPosition {
  readonly sourcePartition: string
  readonly next: bigint
  /** Up to which the rows of the pipeline were written, by the commit that moved the position last. */
  readonly version: bigint
  readonly fingerprint: string
  readonly txnId: string
  readonly written: string
  /** Its part of the pipeline's totals, as JSON text; null in a store that has none yet. */
  readonly totals: string | null
}

/** Creates the table if it is missing, and what it lacks where an earlier version made it. */
export async function createPositions(clickhouse: Clickhouse): Promise<void> {
  const columns = await columnsOfTable(clickhouse)
  if (columns.has('totals')) return
  if (columns.size > 0) return clickhouse.run(`ALTER TABLE ${positionsTable} ADD COLUMN IF NOT EXISTS totals String`)
  await clickhouse.run(`CREATE TABLE IF NOT EXISTS ${positionsTable} (
    pipeline String, source_partition String, next_version Int64, fingerprint String, txn_id String, written String,
    version UInt64, updated_at DateTime64(3, 'UTC'), totals String)
    ENGINE = ReplacingMergeTree(version) ORDER BY (pipeline, source_partition)`)
}

async function columnsOfTable(clickhouse: Clickhouse): Promise<Set<string>> {
  const rows = await clickhouse.rows(
    'SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String}',
    { table: positionsTable },
  )
  return new Set(rows.map(({ name }) => String(name)))
}

/** Newest first; none before the first commit. */
export async function heldPositions(clickhouse: Clickhouse, pipeline: string): Promise<HeldPosition[]> {
  if ((await columnsOfTable(clickhouse)).size === 0) return []
  const rows = await clickhouse.rows(
    `SELECT * FROM ${positionsTable} FINAL WHERE pipeline = {pipeline:String} ORDER BY version DESC, updated_at DESC, source_partition`,
    { pipeline },
  )
  return rows.map((row) => ({
    sourcePartition: String(row.source_partition),
    next: BigInt(String(row.next_version)),
    version: BigInt(String(row.version)),
    fingerprint: String(row.fingerprint),
    txnId: String(row.txn_id),
    written: String(row.written),
    totals: row.totals === undefined || row.totals === '' ? null : String(row.totals),
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

/** The greatest version of a row that the commits of a pipeline left; every later commit writes greater ones. 0 before the first. */
export function settledVersion(held: readonly HeldPosition[]): bigint {
  return held.reduce((most, { version }) => (version > most ? version : most), 0n)
}

/** The source partitions of a pipeline that are read. */
export function movingPartitions(held: readonly HeldPosition[]): string[] {
  return held.map(({ sourcePartition }) => sourcePartition).filter(isRead)
}

function isRead(partition: string): boolean {
  return identified(partition) === null && startedPartition(partition) === null
}

/**
 * The version of what a batch writes: how far its pipeline is in all, once it is written, or one more than its last commit left, where that is greater.
 * It grows with every batch, and is the same when a batch is run again.
 */
export function versionOf(held: readonly HeldPosition[], { ranges }: Pick<SinkCommit, 'ranges'>): bigint {
  const ends = ranges.map(({ sourcePartition, end }) => [sourcePartition, end] as const)
  const after = new Map([...positionOf(held), ...ends])
  const read = [...after].filter(([partition]) => isRead(partition)).reduce((sum, [, next]) => sum + next, 0n)
  const least = settledVersion(held) + 1n
  return read > least ? read : least
}

/** Writes where the ranges end: the last thing that a commit does. */
export async function movePosition(
  clickhouse: Clickhouse,
  commit: SinkCommit,
  {
    held,
    version,
    written,
    nowMs,
  }: {
    readonly held: readonly HeldPosition[]
    readonly version: bigint
    readonly written: WriteCounts
    readonly nowMs: number
  },
): Promise<void> {
  if (commit.ranges.length === 0) return
  const totals = new Map(held.map((each) => [each.sourcePartition, each.totals]))
  await clickhouse.run(
    `INSERT INTO ${positionsTable} (pipeline, source_partition, next_version, fingerprint, txn_id, written, version, updated_at, totals)
     SELECT {pipeline:String}, p.1, toInt64(p.2), {fingerprint:String}, {txn:String}, {written:String},
       {version:UInt64}, fromUnixTimestamp64Milli({now:Int64}), p.3
     FROM (SELECT arrayJoin(arrayZip({partitions:Array(String)}, {ends:Array(String)}, {totals:Array(String)})) AS p)`,
    {
      pipeline: commit.pipeline,
      partitions: commit.ranges.map(({ sourcePartition }) => sourcePartition),
      ends: commit.ranges.map(({ end }) => String(end)),
      totals: totalsAfter(totals, commit.ranges, written),
      fingerprint: commit.fingerprint,
      txn: commit.txnId,
      written: JSON.stringify(written),
      version: String(version),
      now: String(Math.floor(nowMs)),
    },
  )
}
