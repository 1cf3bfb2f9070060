/** The columns executor on worker threads, and the same on the calling thread. */
import { Piscina } from 'piscina'
import type { Executor, StageResult } from '../contracts.ts'
import { MillraceError, messageOf } from '../errors.ts'
import { sumProgress, type TaskProgress } from './progress.ts'
import { mergeResults, splitTask } from './split.ts'
import {
  fromPlainError,
  type ProgressMessage,
  type WorkerMessage,
  type WorkerOutcome,
  type WorkerRuntime,
  type WorkerSetup,
  type WorkerTask,
} from './task.ts'

export interface WorkerPoolOptions {
  /** Most threads at once. */
  readonly threads: number
  /** Module that exports `openWorkerRuntime` ({@link WorkerWiring}); each thread imports it. */
  readonly wiringUrl: string
  /** Plain data handed to `openWorkerRuntime`. */
  readonly setup: WorkerSetup & object
  /** What objects of a thread may take, beside records, which are no objects. Default: as the engine has it. */
  readonly heapBytes?: number
  /** A thread without work for this long ends, and gives its memory back. Default 10 s: longer than most triggers wait. */
  readonly idleTimeoutMs?: number
}

/**
 * Runs a stage as up to `threads` tasks, each with source partitions of its own, and puts their results together. Fails
 * with the first task's failure once all have ended, so that none still writes; a thread that dies is `WORKER_FAILED`,
 * retryable, and takes no task of another run with it. An abort gives up the tasks with their threads; files half written stay in the staging folder.
 */
export function workerPool(options: WorkerPoolOptions): Executor {
  const { threads, wiringUrl, setup, heapBytes } = options
  const pool = new Piscina<WorkerMessage, WorkerOutcome>({
    filename: new URL('./worker.ts', import.meta.url).href,
    minThreads: 0,
    maxThreads: Math.max(1, threads),
    idleTimeout: options.idleTimeoutMs ?? 10_000,
    resourceLimits: {
      maxYoungGenerationSizeMb: 2, // records are bytes outside of the heap; more only makes a thread larger
      ...(heapBytes === undefined ? {} : { maxOldGenerationSizeMb: Math.ceil(heapBytes / 2 ** 20) }),
    },
    atomics: 'disabled', // a thread that waits on an atomic cannot run the timers and reads of its own task
  })
  const listeners = new Map<number, (progress: TaskProgress) => void>()
  pool.on('error', () => {}) // of a thread between its tasks: the next task gets another
  pool.on('message', ({ millraceTask, progress }: ProgressMessage) => listeners.get(millraceTask)?.(progress))
  let tasks = 0
  let prepared = false
  return {
    prepare(sources) {
      if (prepared) return
      prepared = true
      const job = { kind: 'prepare', sources } as const
      void pool.run({ wiringUrl, setup, job }).catch(() => {}) // one thread: a small batch needs no more
    },
    async run({ signal, onProgress = () => {}, ...task }) {
      signal.throwIfAborted()
      const parts = splitTask(task, threads)
      const tell = sumProgress(task.inputs, onProgress)
      const ends = await Promise.allSettled(
        parts.map((part) => {
          const number = tasks++
          listeners.set(number, (progress) => tell(number, progress))
          const job = { kind: 'run', task: part, number } as const
          return runPart(pool, { wiringUrl, setup, job }, signal).finally(() => listeners.delete(number))
        }),
      )
      const failed = ends.find((end) => end.status === 'rejected')
      if (failed !== undefined) throw failed.reason
      return mergeResults(
        task,
        ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : [])),
      )
    },
    close: () => pool.destroy(),
  }
}

async function runPart(
  pool: Piscina<WorkerMessage, WorkerOutcome>,
  message: WorkerMessage & { readonly job: { readonly kind: 'run' } },
  signal: AbortSignal,
): Promise<StageResult> {
  const outcome = await pool.run(message, { signal }).catch((cause: unknown) => {
    if (pool.queueSize > 0) wake(pool, message)
    signal.throwIfAborted()
    throw threadDied(message.job.task, cause)
  })
  if (outcome.kind === 'failed') throw fromPlainError(outcome.error)
  if (outcome.kind === 'prepared') throw new Error('a worker took a task for something else')
  return outcome.result
}

/** Tasks that wait for a thread get one in place of the one that died or was given up, which the pool makes only for a new task. */
function wake(pool: Piscina<WorkerMessage, WorkerOutcome>, { wiringUrl, setup }: WorkerMessage): void {
  void pool.run({ wiringUrl, setup, job: { kind: 'prepare', sources: [] } }).catch(() => {})
}

function threadDied({ pipeline, stage }: WorkerTask, cause: unknown): MillraceError {
  return new MillraceError(
    'WORKER_FAILED',
    `worker thread of pipeline ${pipeline}, stage ${stage.id}, ended in the middle of its task: ${messageOf(cause)} (give it more memory if that is what it lacked)`,
    { cause, retryable: true },
  )
}

/** Runs stages on the calling thread: for tests and for runs too small to be worth a thread. */
export function inlineExecutor(runtime: WorkerRuntime): Executor {
  return {
    async run({ signal, onProgress = () => {}, ...task }) {
      signal.throwIfAborted()
      const tell = sumProgress(task.inputs, onProgress)
      return runtime.run(task, signal, (progress) => tell(0, progress))
    },
    close: async () => runtime.close?.(),
  }
}
