/** What connectors and commands find in a data directory. */
import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { openDeltaTable } from '../connectors/delta/delta-table.ts'
import type { DeltaTable } from '../connectors/delta/table.ts'
import type { LogRetention } from '../connectors/file-log/retention.ts'
import type { TornTail } from '../connectors/file-log/tail.ts'
import type { Clock, Ids, ObjectStore } from '../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../engine/duckdb.ts'
import { duckdbThreads, type MemoryShares, shareMemory } from '../engine/memory.ts'
import { releaseFilesIn } from '../engine/shared-file/shared-file.ts'
import { commandPatience, type Patience } from '../engine/shared-file/waiting.ts'
import { foldersOf } from './folders.ts'
import { openLake } from './lake.ts'
import type { LakeSettings } from './lake-config.ts'
import { openServices, type ServiceSettings, type Services } from './services.ts'

/** An open data directory. Everything heavy is opened when it is first asked for. */
export interface Place extends Services {
  readonly logDir: string
  readonly storesDir: string
  readonly scratchDir: string
  readonly lake: ObjectStore
  readonly clock: Clock
  readonly ids: Ids
  /** How long to wait for an embedded store that a program of others has open. */
  readonly patience: Patience
  /** What is kept of the embedded log that every pipeline has read; null: everything. */
  readonly logRetention: LogRetention | null
  /** How long tables that are made keep their past; null: as long as suits how they are written. */
  readonly retentionMs: number | null
  /** What parts of the process may take. */
  readonly memory: MemoryShares
  /** The process's one DuckDB database, opened at the first call. */
  duckdb(): Promise<Duckdb>
  /** Told what went wrong beside a table's commits, such as a log checkpoint that could not be written. */
  onUpkeepFailed(table: string, error: unknown): void
  /** Told of what a crash left at the end of a partition of the embedded log. */
  onTornTail(tail: TornTail): void
  /** A table of the lake; the same object for the same path, so that snapshots are read once. */
  table(path: string): DeltaTable
}

/** Where a data directory is, and what it is worked on with. */
export interface PlaceOptions extends Partial<ServiceSettings> {
  readonly dataDir: string
  /** For what is not part of any table yet, and for what DuckDB spills; removed at the end. */
  readonly scratchDir: string
  readonly memoryLimitBytes: number
  /** See {@link Place.logRetention}. Default: everything. */
  readonly logRetention?: LogRetention | null
  /** See {@link Place.retentionMs}. */
  readonly retentionMs?: number | null
  /** Null: a folder in the data directory. */
  readonly lake?: LakeSettings | null
  /** Whether tables may name files outside of the lake; default `allow`. */
  readonly absolutePaths?: 'allow' | 'refuse'
  readonly clock: Clock
  readonly ids: Ids
  /** The process's database, where it is not the place's own to open and close. */
  readonly duckdb?: () => Promise<Duckdb>
  /** See {@link Place.patience}; by default that of a command. */
  readonly patience?: Partial<Patience>
  /** See {@link Place.onUpkeepFailed}; by default nobody is told. */
  readonly onUpkeepFailed?: (table: string, error: unknown) => void
  /** See {@link Place.onTornTail}; by default nobody is told. */
  readonly onTornTail?: (tail: TornTail) => void
}

/** A place that was opened for oneself. */
export interface OpenedPlace extends Place {
  /** Makes sure that tables can be written, or says in one line why not. */
  prepareLake(): Promise<void>
  /** Local files of the lake that are asked for from now on stay until the returned function is called. */
  holdFiles(): () => void
  /** Closes all that was opened and removes the scratch folder. */
  close(): Promise<void>
}

/** Opens a data directory and creates nothing in it, until files of a lake elsewhere are copied there. */
export async function openPlace(options: PlaceOptions): Promise<OpenedPlace> {
  const { scratchDir, clock, ids } = options
  const memory = shareMemory(options.memoryLimitBytes)
  const { logDir, storesDir, ...folders } = foldersOf(options.dataDir)
  const opened = await openLake({
    ...folders,
    settings: options.lake ?? null,
    confined: options.absolutePaths === 'refuse',
    clock,
    ids,
  })
  const lake = opened.store
  const tables = new Map<string, DeltaTable>()
  let database: Promise<Duckdb> | null = null
  const openOwn = () => {
    database ??= openDuckdb({
      memoryLimitBytes: memory.duckdbBytes,
      threads: duckdbThreads(memory.duckdbBytes, availableParallelism()),
      tempDir: scratchDir,
    })
    return database
  }
  const duckdb = options.duckdb ?? openOwn
  const patience = { ...commandPatience(clock), ...options.patience }
  const onUpkeepFailed = options.onUpkeepFailed ?? (() => {})
  const table = (path: string): DeltaTable => {
    const known = tables.get(path)
    if (known !== undefined) return known
    const onCheckpointFailed = (error: unknown) => onUpkeepFailed(path, error)
    const parts = { store: lake, duckdb, clock, ids, stagingDir: scratchDir, onCheckpointFailed }
    const table = openDeltaTable({ ...parts, path })
    tables.set(path, table)
    return table
  }
  const { close: closeServices, ...services } = openServices(options)
  const close = async () => {
    for (const table of tables.values()) await table.settled()
    await closeServices()
    await releaseFilesIn(storesDir)
    if (database !== null) await (await database).close()
    opened.close()
    await rm(scratchDir, { recursive: true, force: true })
  }
  const { prepare: prepareLake, hold: holdFiles } = opened
  const { retentionMs = null, logRetention = null } = options
  const parts = {
    logRetention,
    memory,
    retentionMs,
    logDir,
    storesDir,
    scratchDir,
    lake,
    clock,
    ids,
    duckdb,
    table,
    patience,
    onUpkeepFailed,
    onTornTail: options.onTornTail ?? (() => {}),
    ...services,
  }
  return { ...parts, prepareLake, holdFiles, close }
}
