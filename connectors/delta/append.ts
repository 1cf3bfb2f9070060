/** Adding rows to a table: staged files as they are, or parted by the table's partition columns, and a position. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Duckdb } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Column, ParquetFile } from '../../engine/schema.ts'
import type { AddFile } from './actions.ts'
import type { Constraint } from './constraints/constraints.ts'
import { enforce } from './constraints/enforce.ts'
import { normalizedRows } from './partitions/partition-values.ts'
import { openParts, type PartedFile } from './partitions/parts.ts'
import { selectFiles } from './read.ts'
import type { Snapshot } from './table.ts'
import {
  fitSchema,
  onTable,
  publishDataFile,
  type SchemaChange,
  type TableProperties,
  type TableWrite,
  type WriteTarget,
} from './table-write.ts'

export interface AppendOptions extends TableProperties {
  readonly target: WriteTarget
  readonly files: readonly ParquetFile[]
  /** Columns of the table, should it have to be created before there are rows. */
  readonly columns: readonly Column[]
  /** Asked for only when rows have to be parted or looked at. */
  readonly duckdb: () => Promise<Duckdb>
  /** Existing local folder, on the lake's own filesystem when that is local. */
  readonly stagingDir: string
  /** Names of rules that every row is known to keep. */
  readonly kept?: ReadonlySet<string>
  /** Asked on each try: rules that this write has besides the table's own. */
  readonly within?: (schema: SchemaChange) => readonly Constraint[]
}

/** What was published, and what it had to be fit for. */
interface Published {
  readonly fitFor: string
  readonly adds: readonly AddFile[]
}

/**
 * Returns what to commit on top of a snapshot, for as many tries as it takes: files are published once, only the
 * schema is looked at anew. It reads nothing of the table, so no other writer's rows are in its way.
 */
export function prepareAppend(options: AppendOptions): (snapshot: Snapshot | null) => Promise<TableWrite> {
  const files = options.files.filter((file) => file.rows > 0)
  const rows = files.reduce((sum, file) => sum + file.rows, 0)
  let published: Published | null = null
  return async (snapshot) => {
    const fit = fitSchema(
      options.target,
      snapshot,
      options.files.map((file) => file.columns),
      { ...options, declared: options.columns },
    )
    const constraints = [...fit.constraints, ...(options.within?.(fit) ?? [])]
    const schema = { ...fit, constraints: constraints.filter(({ name }) => options.kept?.has(name) !== true) }
    published = await publishOnce(published, { ...options, files }, schema)
    const { adds } = published
    const sizeBytes = adds.reduce((sum, add) => sum + add.size, 0n)
    return {
      actions: [...schema.actions, ...adds.map((add) => ({ add }))],
      reads: { kind: 'blind-append' },
      operation: 'WRITE',
      operationParameters: { mode: 'Append' },
      operationMetrics: {
        numFiles: String(adds.length),
        numOutputRows: String(rows),
        numOutputBytes: String(sizeBytes),
      },
      written: { rows },
    }
  }
}

/** Another table, or one with other rules, may be there by the next try: what was made for the one before is of no use to it. */
async function publishOnce(
  published: Published | null,
  options: AppendOptions,
  schema: SchemaChange,
): Promise<Published> {
  const { partitionColumns, constraints } = schema
  const fitFor = JSON.stringify([partitionColumns, constraints.map(({ name }) => name)])
  if (published?.fitFor === fitFor) return published
  if (published !== null)
    throw new MillraceError(
      'SINK_FAILED',
      `table ${options.target.table.path} was given other partitions or constraints while rows were on their way to it`,
      { retryable: true },
    )
  const asTheyAre = partitionColumns.length === 0 && constraints.length === 0
  if (!asTheyAre) return { fitFor, adds: await publishChecked(options, schema) }
  return { fitFor, adds: await publishAll(options.target, options.files.map(whole)) }
}

function whole(file: ParquetFile): PartedFile {
  return { file, partitionValues: {} }
}

async function publishAll(target: WriteTarget, files: readonly PartedFile[]): Promise<AddFile[]> {
  const adds: AddFile[] = []
  for (const file of files) adds.push(await publishDataFile(target, file))
  return adds
}

/** Publishes files once their rows have been looked at, and parted where the table is. */
async function publishChecked(options: AppendOptions, schema: SchemaChange): Promise<AddFile[]> {
  const { target, files, duckdb, stagingDir } = options
  const { columns, partitionColumns, constraints } = schema
  if (files.length === 0) return []
  const name = `table ${target.table.path}`
  const local = files.map(({ path }) => ({ path, constants: {} }))
  const rows = normalizedRows(columns, partitionColumns, selectFiles({ columns, files: local }))
  const dir = await mkdtemp(join(stagingDir, 'append-'))
  try {
    const parted = await (await duckdb()).withConnection(async (bare) => {
      const connection = onTable(bare, target.table.path)
      await enforce({ connection, constraints, rows, key: [], table: target.table.path })
      if (partitionColumns.length === 0) return files.map(whole)
      const nextName = () => target.ids.uuid()
      const parts = await openParts({ connection, dir, nextName, columns, partitionColumns, values: rows, name })
      return parts.write(rows, columns)
    })
    return await publishAll(target, parted)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
