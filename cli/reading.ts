/** A data directory for commands that only read: nothing is created in it, and nothing opened that need not be. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { openDeltaTable } from '../connectors/delta/delta-table.ts'
import type { DeltaTable } from '../connectors/delta/table.ts'
import { localStore } from '../connectors/storage/local.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import { type Duckdb, openDuckdb } from '../engine/duckdb.ts'
import { MillraceError } from '../engine/errors.ts'
import type { Config } from './config.ts'
import { foldersOf } from './folders.ts'
import type { Place } from './place.ts'

type ReadingConfig = Pick<Config, 'dataDir' | 'memoryLimitBytes'>

/** Runs `work` in an existing data directory. `TABLE_NOT_FOUND` where there is none. */
export async function reading<T>(config: ReadingConfig, work: (place: Place) => Promise<T>): Promise<T> {
  requireDataDir(config)
  return describing(config, work)
}

/** Runs `work` in a data directory that need not exist: for what can be told without data. */
export async function describing<T>(config: ReadingConfig, work: (place: Place) => Promise<T>): Promise<T> {
  const { lakeDir, logDir, storesDir } = foldersOf(config.dataDir)
  const scratchDir = join(tmpdir(), `millrace-${process.pid}-${systemIds.uuid()}`) // made by DuckDB, if it must spill
  const lake = localStore(lakeDir)
  const tables = new Map<string, DeltaTable>()
  const opened: Promise<Duckdb>[] = []
  const duckdb = () => {
    const options = { memoryLimitBytes: config.memoryLimitBytes, threads: availableParallelism(), tempDir: scratchDir }
    if (opened.length === 0) opened.push(openDuckdb(options))
    return opened[0]!
  }
  const parts = { store: lake, duckdb, clock: systemClock, ids: systemIds, stagingDir: scratchDir }
  const table = (path: string): DeltaTable => {
    const found = tables.get(path) ?? openDeltaTable({ ...parts, path })
    tables.set(path, found)
    return found
  }
  try {
    return await work({ logDir, storesDir, scratchDir, lake, clock: systemClock, ids: systemIds, duckdb, table })
  } finally {
    for (const database of opened) await (await database).close()
    await rm(scratchDir, { recursive: true, force: true })
  }
}

/** `TABLE_NOT_FOUND` if the data directory does not exist. */
export function requireDataDir({ dataDir }: Pick<Config, 'dataDir'>): void {
  if (existsSync(dataDir)) return
  throw new MillraceError(
    'TABLE_NOT_FOUND',
    `data directory not found: ${resolve(dataDir)} (run a pipeline first, or name another directory with --data)`,
  )
}
