/** What connectors and commands find in a data directory. */
import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { openDeltaTable } from '../connectors/delta/delta-table.ts'
import type { DeltaTable } from '../connectors/delta/table.ts'
import type { KafkaClient } from '../connectors/kafka/client.ts'
import type { KafkaSettings } from '../connectors/kafka/settings.ts'
import { localStore } from '../connectors/storage/local.ts'
import type { Clock, Ids, ObjectStore } from '../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../engine/duckdb.ts'
import { foldersOf } from './folders.ts'

/** An open data directory. Everything heavy is opened when it is first asked for. */
export interface Place {
  readonly logDir: string
  readonly storesDir: string
  readonly scratchDir: string
  readonly lake: ObjectStore
  /** The cluster that serves topics, by one client for all; null: the embedded log does. */
  readonly kafka: KafkaSettings | null
  readonly clock: Clock
  readonly ids: Ids
  /** The process's one DuckDB database, opened at the first call. */
  duckdb(): Promise<Duckdb>
  /** The client of {@link Place.kafka}, which must be there. */
  kafkaClient(): Promise<KafkaClient>
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
  readonly clock: Clock
  readonly ids: Ids
}

/** Opens a data directory and creates nothing in it. `close` also removes the scratch folder. */
export function openPlace(options: PlaceOptions): Place & { close(): Promise<void> } {
  const { scratchDir, memoryLimitBytes, clock, ids } = options
  const { lakeDir, logDir, storesDir } = foldersOf(options.dataDir)
  const lake = localStore(lakeDir)
  const tables = new Map<string, DeltaTable>()
  let database: Promise<Duckdb> | null = null
  const duckdb = () => {
    database ??= openDuckdb({ memoryLimitBytes, threads: availableParallelism(), tempDir: scratchDir })
    return database
  }
  const table = (path: string): DeltaTable => {
    const found = tables.get(path) ?? openDeltaTable({ store: lake, path, duckdb, clock, ids, stagingDir: scratchDir })
    tables.set(path, found)
    return found
  }
  const kafka = options.kafka ?? null
  let client: Promise<KafkaClient> | null = null
  const kafkaClient = () => {
    client ??= import('../connectors/kafka/client.ts').then(({ openKafkaClient }) => openKafkaClient(kafka!))
    return client
  }
  const close = async () => {
    for (const table of tables.values()) await table.settled()
    if (client !== null) await (await client).close()
    if (database !== null) await (await database).close()
    await rm(scratchDir, { recursive: true, force: true })
  }
  return { logDir, storesDir, scratchDir, lake, kafka, clock, ids, duckdb, kafkaClient, table, close }
}
