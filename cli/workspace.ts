/**
 * What pipelines run on: connectors, executors and stores under one data directory. Everything heavy is opened when it
 * is first needed, so that a command pays only for what it uses.
 */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { planRecovery } from '../checkpoints/recovery.ts'
import type { LogRetention } from '../connectors/file-log/retention.ts'
import type { TornTail } from '../connectors/file-log/tail.ts'
import { storageError } from '../connectors/storage/storage-error.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import type { Clock, Executor, Ids } from '../engine/contracts.ts'
import type { Duckdb } from '../engine/duckdb.ts'
import { type ArmedFault, armFault } from '../engine/fault-points.ts'
import { makeFolder } from '../engine/make-folder.ts'
import { isAbandoned, processName } from '../engine/process-name.ts'
import { defaultRetryPolicy, type RetryPolicy } from '../engine/retry.ts'
import type { Runtime } from '../engine/runtime.ts'
import type { Patience } from '../engine/shared-file/waiting.ts'
import { foldersOf } from './folders.ts'
import type { LakeSettings } from './lake-config.ts'
import { openPlace, type Place } from './place.ts'
import type { ServiceSettings } from './services.ts'
import { openSink, openSource } from './wire.ts'

/** Where the data is, and how much of the machine its pipelines may take. */
export interface WorkspaceOptions extends Partial<ServiceSettings> {
  /** Log, lake, stores and scratch space live under it. */
  readonly dataDir: string
  /** Threads for JavaScript and WASM work; 0 runs it on the calling thread. */
  readonly workers: number
  /** For the process: see {@link shareMemory}. */
  readonly memoryLimitBytes: number
  /** What is kept of the embedded log that every pipeline has read; by default everything. */
  readonly logRetention?: LogRetention | null
  /** How long tables that are made keep their past; by default as long as suits how they are written. */
  readonly retentionMs?: number | null
  /** Where the tables are; without it in the data directory. */
  readonly lake?: LakeSettings | null
  /** Whether tables may name files outside of the lake; default `allow`. */
  readonly absolutePaths?: 'allow' | 'refuse'
  /** How long failures in a row that may pass are retried; null: as the kind of run has it. */
  readonly retryForMs?: number | null
  readonly fault?: ArmedFault | null
  /** Told what went wrong beside the commits of a table; they stand all the same. */
  readonly onUpkeepFailed?: (table: string, error: unknown) => void
  /** Told of what a crash left at the end of a partition of the embedded log. */
  readonly onTornTail?: (tail: TornTail) => void
  /** How long sinks wait for an embedded store that a program of others has open. By default as long as a command does. */
  readonly patience?: Partial<Patience>
  readonly clock?: Clock
  readonly ids?: Ids
  /** The process's database, where it is not the workspace's own to open and close. */
  readonly duckdb?: () => Promise<Duckdb>
}

/** A data directory that pipelines can run in. */
export interface Workspace extends Place {
  readonly runtime: Runtime
  close(): Promise<void>
}

/** Opens a workspace; creates its folders if they are missing. */
export async function openWorkspace(options: WorkspaceOptions): Promise<Workspace> {
  const clock = options.clock ?? systemClock
  const ids = options.ids ?? systemIds
  const { logDir, storesDir, scratchRoot } = foldersOf(options.dataDir)
  const scratchDir = join(scratchRoot, `${processName()}~${ids.uuid()}`)
  armFault(options.fault ?? null)
  await dropAbandonedScratch(scratchRoot, clock)
  const place = await openPlace({ ...options, scratchDir, clock, ids })
  try {
    await place.prepareLake()
    for (const dir of [logDir, storesDir, scratchDir]) await makeWritable(dir)
  } catch (error) {
    await place.close().catch(() => {}) // what was refused matters more
    throw error
  }

  const holds = new Map<string, () => void>()
  let executors: Promise<Runtime['executors']> | null = null
  const openExecutors = () => {
    executors ??= loadExecutors(place, options)
    return executors
  }
  return {
    ...place,
    runtime: {
      openSource: (description, pipeline) => openSource(description, place, pipeline),
      openSink: (description) => openSink(description, place),
      executors: {
        columns: deferred(async () => (await openExecutors()).columns),
        relational: deferred(async () => (await openExecutors()).relational),
      },
      planRecovery,
      async makeStaging() {
        const dir = join(scratchDir, ids.uuid())
        await makeFolder(dir, { mode: 0o700 })
        holds.set(dir, place.holdFiles()) // the lake's files that a batch reads stay as long as the batch
        return dir
      },
      async dropStaging(dir) {
        holds.get(dir)?.()
        holds.delete(dir)
        await rm(dir, { recursive: true, force: true })
      },
      clock,
      ids,
      retry: retryPolicy(options.retryForMs ?? null),
    },
    async close() {
      if (executors !== null) {
        const opened = await executors
        await opened.columns.close()
        await opened.relational.close()
      }
      await place.close()
    },
  }
}

function retryPolicy(forMs: number | null): RetryPolicy {
  return forMs === null ? defaultRetryPolicy : { ...defaultRetryPolicy, streamingMs: forMs, endingMs: forMs }
}

async function loadExecutors(place: Place, options: WorkspaceOptions): Promise<Runtime['executors']> {
  const { relationalExecutor } = await import('../operators/relational/executor.ts')
  const { workerPool, inlineExecutor } = await import('../engine/workers/pool.ts')
  const { logDir, kafka, embedder } = place
  const { embeddingsDir } = foldersOf(options.dataDir)
  const setup = { logDir, kafka, embedder, embeddingsDir, fault: options.fault ?? null }
  const wiringUrl = new URL('./worker-wiring.ts', import.meta.url).href
  const columns =
    options.workers === 0
      ? inlineExecutor((await import('./worker-wiring.ts')).openWorkerRuntime(setup))
      : workerPool({ threads: options.workers, heapBytes: place.memory.workerHeapBytes, wiringUrl, setup })
  return { columns, relational: relationalExecutor({ duckdb: place.duckdb, ids: place.ids }) }
}

function deferred(open: () => Promise<Executor>): Executor {
  return {
    prepare(sources) {
      void open().then(
        (executor) => executor.prepare?.(sources),
        () => {}, // told by the run
      )
    },
    run: async (run) => (await open()).run(run),
    close: async () => {}, // closed with the workspace, if it was opened at all
  }
}

async function makeWritable(dir: string): Promise<void> {
  try {
    await makeFolder(dir, { mode: 0o700 })
  } catch (cause) {
    throw storageError('write', dir, cause)
  }
}

/**
 * Scratch folders are named `<process name>~<uuid>`, or `<pid>-<uuid>` by earlier versions; those of processes that are gone
 * hold nothing that anybody needs.
 */
async function dropAbandonedScratch(root: string, clock: Clock): Promise<void> {
  const names = await readdir(root).catch(() => [])
  for (const name of names) {
    const owner = name.split(name.includes('~') ? '~' : '-')[0]!
    if (isAbandoned(join(root, name), owner, clock.nowMs()))
      await rm(join(root, name), { recursive: true, force: true })
  }
}
