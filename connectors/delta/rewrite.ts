/** Files of a table written together as others that hold the same rows: readers have nothing to read again. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { type Connection, type Duckdb, identifier } from '../../engine/duckdb.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'
import type { AddFile } from './actions.ts'
import { commitPublished } from './commit-published.ts'
import { type LocalFile, localDataFile, selectFiles } from './read.ts'
import { placed, type RowOrder } from './row-order.ts'
import type { Snapshot } from './table.ts'
import {
  dropPublished,
  onTable,
  publishDataFile,
  publishing,
  removalOf,
  type WritePlace,
  type WriteTarget,
  writeTarget,
} from './table-write.ts'

export interface RewriteOptions {
  readonly target: WritePlace
  readonly duckdb: () => Promise<Duckdb>
  /** Existing local folder, on the lake's own filesystem when that is local. */
  readonly stagingDir: string
}

/** How the new files are to be. */
export interface Layout {
  /** Size that they are to have. */
  readonly targetBytes: bigint
  /** Null: as the rows come, which makes one file. */
  readonly order: RowOrder | null
}

/**
 * Replaces files of one partition in one commit without data change; rows that deletion vectors take out are gone for good.
 * Null if another writer changed one of them meanwhile: then all stays as it was.
 */
export async function rewriteFiles(
  options: RewriteOptions,
  snapshot: Snapshot,
  group: readonly AddFile[],
  layout: Layout,
): Promise<AddFile[] | null> {
  const target = writeTarget(options.target)
  const { clock, ids } = target
  const adds = await publishing(target, () => writeTogether(options, target, { snapshot, group, layout }))
  const removes = group.map((add) => ({ remove: { ...removalOf(add, clock.nowMs()), dataChange: false } }))
  const { columns = [], curve = null } = layout.order ?? {}
  const result = await commitPublished(target, {
    snapshot,
    actions: [...removes, ...adds.map((add) => ({ add }))],
    reads: { kind: 'files', files: new Set(group.map(({ path }) => path)), mayMatch: () => false },
    operation: 'OPTIMIZE',
    operationParameters: curve === 'z' ? { zOrderBy: JSON.stringify(columns) } : { sortBy: JSON.stringify(columns) },
    operationMetrics: {
      numRemovedFiles: String(group.length),
      numAddedFiles: String(adds.length),
      numRemovedBytes: String(sizeOf(group)),
      numAddedBytes: String(sizeOf(adds)),
    },
    txnId: ids.uuid(),
    admits: () => true, // the conflict rules say whether the files are still there
  })
  if (result.kind === 'committed' || result.kind === 'already-committed') return adds
  await dropPublished(target)
  return null
}

/** Bytes of files together. */
export function sizeOf(files: readonly AddFile[]): bigint {
  return files.reduce((sum, file) => sum + file.size, 0n)
}

/** Row groups of wide rows would take more memory than a pipeline that works beside. */
const rowGroupBytes = 16 * 2 ** 20

interface Work {
  readonly snapshot: Snapshot
  readonly group: readonly AddFile[]
  readonly layout: Layout
}

async function writeTogether(
  { duckdb, stagingDir }: RewriteOptions,
  target: WriteTarget,
  { snapshot, group, layout }: Work,
): Promise<AddFile[]> {
  const { columns, metaData } = snapshot
  const stored = columns.filter(({ name }) => !metaData.partitionColumns.includes(name))
  const files: LocalFile[] = []
  for (const add of group) files.push(await localDataFile(target.store, target.table.path, add))
  const dir = await mkdtemp(join(stagingDir, 'optimize-'))
  try {
    const query = `SELECT ${stored.map(({ name }) => identifier(name)).join(', ')} FROM (${selectFiles({ columns, files })})`
    const order = inPartition(layout.order, metaData.partitionColumns)
    const parts = Math.max(1, Number((sizeOf(group) + layout.targetBytes - 1n) / layout.targetBytes))
    const staged = await (await duckdb()).withConnection((bare) => {
      const connection = onTable(bare, target.table.path)
      const path = (n: number) => join(dir, `${n}.parquet`)
      if (order === null) return copyAll(connection, query, stored, path(0))
      return copyInOrder(connection, query, stored, { order, parts, path })
    })
    const { partitionValues } = group[0]!
    const adds: AddFile[] = []
    for (const file of staged)
      if (file.rows > 0) adds.push({ ...(await publishDataFile(target, { file, partitionValues })), dataChange: false })
    return adds
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** All rows of a partition have the same values in its columns. */
function inPartition(order: RowOrder | null, partitionColumns: readonly string[]): RowOrder | null {
  const columns = (order?.columns ?? []).filter((name) => !partitionColumns.includes(name))
  return order === null || columns.length === 0 ? null : { ...order, columns }
}

async function copyAll(
  connection: Connection,
  query: string,
  columns: readonly Column[],
  path: string,
): Promise<ParquetFile[]> {
  return [await copyToParquet(connection, query, path, { columns, rowGroupBytes })]
}

interface Ordered {
  readonly order: RowOrder
  readonly parts: number
  readonly path: (n: number) => string
}

/** As many files as there are parts, each with the rows between those of its neighbours. */
async function copyInOrder(
  connection: Connection,
  query: string,
  columns: readonly Column[],
  { order, parts, path }: Ordered,
): Promise<ParquetFile[]> {
  const [table, place] = ['millrace_ordered', '__millrace_place']
  const names = columns.map(({ name }) => name)
  await connection.run(`CREATE TEMP TABLE ${table} AS ${placed(query, names, order, place)}`)
  const [{ n } = {}] = await connection.rows(`SELECT count(*) AS n FROM ${table}`)
  const each = Math.ceil(Number(n) / parts)
  const files: ParquetFile[] = []
  for (let part = 0; part < parts; part++) {
    const where = `${place} > ${part * each} AND ${place} <= ${(part + 1) * each}`
    const rows = `SELECT ${names.map(identifier).join(', ')} FROM ${table} WHERE ${where} ORDER BY ${place}`
    files.push(await copyToParquet(connection, rows, path(part), { columns }))
  }
  return files
}
