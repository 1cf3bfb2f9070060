/** A data directory for commands that only read: nothing is created in it, and nothing opened that need not be. */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { TornTail } from '../connectors/file-log/tail.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import { MillraceError } from '../engine/errors.ts'
import type { StoreWait } from '../engine/shared-file/waiting.ts'
import type { Config } from './config.ts'
import { storeWaitText, tornTailText } from './log-lines.ts'
import { openPlace, type Place } from './place.ts'
import type { ServiceSettings } from './services.ts'

type ReadingConfig = Pick<Config, 'dataDir' | 'memoryLimitBytes' | 'lake' | 'absolutePaths'> & ServiceSettings

/** Runs `work` in an existing data directory, or on a lake elsewhere. `TABLE_NOT_FOUND` where there is neither. */
export async function reading<T>(config: ReadingConfig, work: (place: Place) => Promise<T>): Promise<T> {
  requireDataDir(config)
  return describing(config, work)
}

/** Runs `work` in a data directory that need not exist: for what can be told without data. */
export async function describing<T>(config: ReadingConfig, work: (place: Place) => Promise<T>): Promise<T> {
  const scratchDir = join(tmpdir(), `millrace-${process.pid}-${systemIds.uuid()}`) // made by DuckDB, if it must spill
  const onWait = (wait: StoreWait): void => console.error(`millrace: ${storeWaitText(wait)}`)
  const onTornTail = (tail: TornTail): void => console.error(`millrace: ${tornTailText(tail)}`)
  const parts = { clock: systemClock, ids: systemIds, patience: { onWait }, onTornTail }
  const place = await openPlace({ ...config, ...parts, scratchDir })
  try {
    return await work(place)
  } finally {
    await place.close()
  }
}

/** Stores that a question may be put to, each a service's where one is configured. */
export type AskedStore = 'clickhouse' | 'neo4j' | 'pinecone'

/** Runs `work` for a question to stores: a data directory is needed only where none of them is a service's. */
export function asking<T>(
  config: ReadingConfig,
  stores: readonly AskedStore[],
  work: (place: Place) => Promise<T>,
): Promise<T> {
  return stores.some((store) => config[store] !== null) ? describing(config, work) : reading(config, work)
}

/** `TABLE_NOT_FOUND` if the data directory does not exist, and the lake would be in it. */
export function requireDataDir({ dataDir, lake }: Pick<Config, 'dataDir' | 'lake'>): void {
  if (lake !== null || existsSync(dataDir)) return
  throw new MillraceError(
    'TABLE_NOT_FOUND',
    `data directory not found: ${resolve(dataDir)} (run a pipeline first, or name another directory with --data)`,
  )
}
