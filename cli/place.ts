/** What connectors and commands find in a data directory. */
import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import type { Clickhouse } from '../connectors/clickhouse/client.ts'
import type { ClickhouseSettings } from '../connectors/clickhouse/settings.ts'
import { openDeltaTable } from '../connectors/delta/delta-table.ts'
import type { DeltaTable } from '../connectors/delta/table.ts'
import type { KafkaClient } from '../connectors/kafka/client.ts'
import type { KafkaSettings } from '../connectors/kafka/settings.ts'
import type { Clock, Ids, ObjectStore } from '../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../engine/duckdb.ts'
import { foldersOf } from './folders.ts'
import { openLake } from './lake.ts'
import type { LakeSettings } from './lake-config.ts'

/** An open data directory. Everything heavy is opened when it is first asked for. */
export interface Place {
  readonly logDir: string
  readonly storesDir: string
  readonly scratchDir: string
  readonly lake: ObjectStore
  /** The cluster that serves topics, by one client for all; null: the embedded log does. */
  readonly kafka: KafkaSettings | null
  /** The service that serves OLAP tables, by one client for all; null: the embedded store does. */
  readonly clickhouse: ClickhouseSettings | null
  readonly clock: Clock
  readonly ids: Ids
  /** The process's one DuckDB database, opened at the first call. */
  duckdb(): Promise<Duckdb>
  /** The client of {@link Place.kafka}, which must be there. */
  kafkaClient(): Promise<KafkaClient>
  /** The client of {@link Place.clickhouse}, which must be there. Throws if the service does not let us in. */
  clickhouseClient(): Promise<Clickhouse>
  /** Told what went wrong beside a table's commits, such as a log checkpoint that could not be written. */
  onUpkeepFailed(table: string, error: unknown): void
  /** A table of the lake; the same object for the same path, so that snapshots are read once. */
  table(path: string): DeltaTable
}

/** Where a data directory is, and what it is worked on with. */
export interface PlaceOptions {
  readonly dataDir: string
  /** For what is not part of any table yet, and for what DuckDB spills; removed at the end. */
  readonly scratchDir: string
  readonly memoryLimitBytes: number
  readonly kafka?: KafkaSettings | null
  readonly clickhouse?: ClickhouseSettings | null
  /** Null: a folder in the data directory. */
  readonly lake?: LakeSettings | null
  readonly clock: Clock
  readonly ids: Ids
  /** See {@link Place.onUpkeepFailed}; by default nobody is told. */
  readonly onUpkeepFailed?: (table: string, error: unknown) => void
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
  const { scratchDir, memoryLimitBytes, clock, ids } = options
  const { logDir, storesDir, ...folders } = foldersOf(options.dataDir)
  const opened = await openLake({ ...folders, settings: options.lake ?? null, clock, ids })
  const lake = opened.store
  const tables = new Map<string, DeltaTable>()
  let database: Promise<Duckdb> | null = null
  const duckdb = () => {
    database ??= openDuckdb({ memoryLimitBytes, threads: availableParallelism(), tempDir: scratchDir })
    return database
  }
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
  const kafka = options.kafka ?? null
  let client: Promise<KafkaClient> | null = null
  const kafkaClient = () => {
    client ??= import('../connectors/kafka/client.ts').then(({ openKafkaClient }) => openKafkaClient(kafka!))
    return client
  }
  const clickhouse = options.clickhouse ?? null
  let olap: Clickhouse | null = null
  const clickhouseClient = async () => {
    if (olap !== null) return olap
    const { openClickhouse } = await import('../connectors/clickhouse/client.ts')
    const opening = openClickhouse(clickhouse!)
    try {
      await opening.check()
    } catch (error) {
      await opening.close()
      throw error
    }
    if (olap !== null) await opening.close() // another caller came first
    olap ??= opening
    return olap
  }
  const close = async () => {
    for (const table of tables.values()) await table.settled()
    if (client !== null) await (await client).close()
    await olap?.close()
    if (database !== null) await (await database).close()
    opened.close()
    await rm(scratchDir, { recursive: true, force: true })
  }
  const { prepare: prepareLake, hold: holdFiles } = opened
  const services = { kafka, kafkaClient, clickhouse, clickhouseClient }
  const parts = { logDir, storesDir, scratchDir, lake, clock, ids, duckdb, table, onUpkeepFailed, ...services }
  return { ...parts, prepareLake, holdFiles, close }
}
