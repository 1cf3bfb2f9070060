/** Thread entry: imports the wiring by URL, opens its runtime once, runs tasks. */
import { parentPort } from 'node:worker_threads'
import { keepCompiledCode } from '../compile-cache.ts'
import { armFault } from '../fault-points.ts'
import {
  type ProgressMessage,
  toPlainError,
  type WorkerMessage,
  type WorkerOutcome,
  type WorkerRuntime,
  type WorkerSetup,
  type WorkerWiring,
} from './task.ts'

keepCompiledCode() // a thread has its own setting

const runtimes = new Map<string, Promise<WorkerRuntime>>()
/** Never aborts: a task that is given up ends with its thread. */
const { signal } = new AbortController()

/** One job; never throws. */
export default async function work({ wiringUrl, setup, job }: WorkerMessage): Promise<WorkerOutcome> {
  try {
    const runtime = await runtimeFor(wiringUrl, setup)
    if (job.kind === 'run') {
      const { task, number } = job
      const result = await runtime.run(task, signal, (progress) =>
        parentPort?.postMessage({ millraceTask: number, progress } satisfies ProgressMessage),
      )
      return { kind: 'done', result }
    }
    await runtime.prepare?.(job.sources)
    return { kind: 'prepared' }
  } catch (error) {
    return { kind: 'failed', error: toPlainError(error) }
  }
}

function runtimeFor(wiringUrl: string, setup: WorkerSetup): Promise<WorkerRuntime> {
  const key = JSON.stringify([wiringUrl, setup])
  const known = runtimes.get(key)
  if (known !== undefined) return known
  const opened = openRuntime(wiringUrl, setup)
  runtimes.set(key, opened)
  opened.catch(() => runtimes.delete(key)) // the caller reports it; the next task tries again
  return opened
}

async function openRuntime(wiringUrl: string, setup: WorkerSetup): Promise<WorkerRuntime> {
  armFault(setup.fault ?? null)
  const wiring = (await import(wiringUrl)) as WorkerWiring
  return wiring.openWorkerRuntime(setup)
}
