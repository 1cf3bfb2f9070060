/**
 * Tables for analysis in ClickHouse, which has no transaction over several tables: rows first, the position last. What a commit that died left
 * behind is what its replay would write.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { admits } from '../../checkpoints/fence.ts'
import { totalsIn } from '../../checkpoints/totals.ts'
import type {
  Clock,
  CommitOutcome,
  RefusedRow,
  RowRefusingSink,
  SinkCommit,
  WriteCounts,
} from '../../engine/contracts.ts'
import { type Connection, type Duckdb, identifier } from '../../engine/duckdb.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import type { Column } from '../../engine/schema.ts'
import { parquet, unionColumns } from '../olap/columns.ts'
import type { OlapOptions, OlapTable } from '../olap/description.ts'
import { type Changes, findChanges } from './changes.ts'
import type { Clickhouse } from './client.ts'
import { createPositions, heldPositions, movePosition, ownCommit, positionOf, versionOf } from './positions.ts'
import { findRefused } from './refused-rows.ts'
import { growTable, rowsTable } from './tables.ts'
import { syncViews } from './views.ts'

export interface ClickhouseSinkOptions {
  readonly clickhouse: Clickhouse
  readonly description: OlapOptions
  /** Compares what comes with what is there. */
  readonly duckdb: () => Promise<Duckdb>
  /** For the files of a commit; an existing folder. */
  readonly stagingDir: string
  readonly clock: Clock
}

/**
 * Keeps the described tables equal to the input for the owners that each batch names, and counts, as the embedded store does. Only
 * one pipeline may write rows of a key. A row that was refused is in no table, whatever stood there. The client stays open: it is the process's.
 */
export function clickhouseSink(options: ClickhouseSinkOptions): RowRefusingSink {
  const { clickhouse } = options
  /** The commit whose refused rows are known to whoever commits. */
  let prepared: string | null = null
  return {
    name: 'store olap',
    delivery: 'idempotent',
    async position(pipeline) {
      const held = await heldPositions(clickhouse, pipeline)
      const totals = totalsIn(held.map((each) => each.totals))
      const fingerprint = held[0]?.fingerprint ?? null
      return { position: positionOf(held), fingerprint, ...(totals === undefined ? {} : { totals }) }
    },
    async prepare(commit) {
      const refused = await (await options.duckdb()).withConnection((connection) =>
        refusedOf(connection, options, commit),
      )
      prepared = commit.txnId
      return refused
    },
    async abandon() {
      prepared = null
    },
    async commit(commit) {
      faultPoint('sink-begin')
      const dir = await mkdtemp(join(options.stagingDir, 'clickhouse-'))
      try {
        return await commitBatch(options, commit, { dir, withoutRefused: commit.txnId === prepared })
      } finally {
        await rm(dir, { recursive: true, force: true })
      }
    },
    async close() {},
  }
}

async function commitBatch(
  options: ClickhouseSinkOptions,
  commit: SinkCommit,
  work: Pick<Batch, 'dir' | 'withoutRefused'>,
): Promise<CommitOutcome> {
  const { clickhouse, description, clock } = options
  const held = await heldPositions(clickhouse, commit.pipeline)
  const landed = ownCommit(held, commit)
  if (landed !== null) return { kind: 'already-committed', written: landed }
  const position = positionOf(held)
  if (!admits(position, commit.ranges, commit.initial)) return { kind: 'fenced', position }
  const version = versionOf(held, commit)
  const changes = await (await options.duckdb()).withConnection((connection) =>
    changesOf(connection, options, { ...work, commit, version }),
  )
  // What was compared with may have been written by a copy of this pipeline that is further by now.
  const heldNow = await heldPositions(clickhouse, commit.pipeline)
  const now = positionOf(heldNow)
  if (!admits(now, commit.ranges, commit.initial)) return { kind: 'fenced', position: now }
  for (const { name, path, token } of changes) {
    if (path === null) continue
    // The content is part of the token: what a replay finds written already, it does not write again.
    const insert = { token: `${commit.pipeline}/${version}/${name}/${token}`, signal: commit.signal }
    await clickhouse.upload(rowsTable(name), path, insert)
  }
  const views = await syncViews(clickhouse, description.views)
  const written = { ...counted(changes), ...(views === 0 ? {} : { views }) }
  const settled = changes.reduce((most, { newest }) => (newest > most ? newest : most), version)
  await createPositions(clickhouse)
  faultPoint('store-before-commit')
  await movePosition(clickhouse, commit, { held: heldNow, version: settled, written, nowMs: clock.nowMs() }) // the commit point
  faultPoint('store-after-commit')
  return { kind: 'committed', written }
}

interface Batch {
  readonly commit: SinkCommit
  readonly version: bigint
  readonly dir: string
  readonly withoutRefused: boolean
}

async function refusedOf(
  connection: Connection,
  { description }: ClickhouseSinkOptions,
  commit: SinkCommit,
): Promise<RefusedRow[]> {
  if (!(await readOwners(connection, description, commit))) return []
  const inputs = new Map(Object.values(description.tables).map((table) => [table.from, table]))
  const refused: RefusedRow[] = []
  for (const [input, table] of inputs) {
    const files = commit.outputs.get(input) ?? []
    if (files.length > 0) refused.push(...(await findRefused(connection, { input, files, table })))
  }
  return refused
}

/** False when the batch touches no owner: then nothing can have changed. */
async function readOwners(connection: Connection, description: OlapOptions, commit: SinkCommit): Promise<boolean> {
  const owners = commit.outputs.get(description.owners) ?? []
  if (owners.length === 0) return false
  const columns = new Set(Object.values(description.tables).flatMap((table) => Object.values(table.owner)))
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE owners AS SELECT DISTINCT ${[...columns].map(identifier).join(', ')} FROM ${parquet(owners)}`,
  )
  return true
}

async function changesOf(
  connection: Connection,
  { clickhouse, description }: ClickhouseSinkOptions,
  { commit, version, dir, withoutRefused }: Batch,
): Promise<Changes[]> {
  const touched = await readOwners(connection, description, commit)
  const changes: Changes[] = []
  for (const [name, table] of Object.entries(description.tables)) {
    const batch = await prepared(clickhouse, {
      name,
      table,
      files: commit.outputs.get(table.from) ?? [],
      columns: commit.columns.get(table.from) ?? [],
    })
    if (touched && batch !== null)
      changes.push(
        await findChanges(
          connection,
          clickhouse,
          { ...batch, pipeline: commit.pipeline, version, withoutRefused },
          dir,
        ),
      )
  }
  return changes
}

/** The table made ready for the batch; null where there is neither table nor input. */
async function prepared(
  clickhouse: Clickhouse,
  batch: {
    readonly name: string
    readonly table: OlapTable
    readonly files: Parameters<typeof unionColumns>[0]
    /** Of the input, where they are known although it has no rows. */
    readonly columns: readonly Column[]
  },
) {
  const { name, table, files, columns } = batch
  const incoming = unionColumns(files)
  const stored = await growTable(clickhouse, { name, table, incoming: files.length === 0 ? columns : incoming })
  if (stored.length === 0) return null
  const place = new Map(stored.map((column, i) => [column.name, i]))
  const ordered = incoming.sort((a, b) => place.get(a.name)! - place.get(b.name)!)
  return { ...batch, incoming: ordered, stored }
}

function counted(changes: readonly Changes[]): WriteCounts {
  const written: Record<string, number> = { inserted: 0, updated: 0, deleted: 0, unchanged: 0 }
  for (const { name, counts } of changes)
    for (const [kind, rows] of Object.entries(counts)) {
      written[kind] = (written[kind] ?? 0) + rows
      if (rows > 0 && kind !== 'unchanged') written[`${name}.${kind}`] = rows
    }
  return written
}
