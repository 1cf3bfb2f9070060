/** What goes to a worker thread and comes back: plain data that survives the structured clone. */
import type { SourceDescription, StageResult, StageRun } from '../contracts.ts'
import { type ErrorCode, MillraceError, messageOf } from '../errors.ts'
import type { ArmedFault } from '../fault-points.ts'
import type { TaskProgress } from './progress.ts'

/** A stage's run, or the part of it that one thread does. Records never cross threads, only this. */
export type WorkerTask = Omit<StageRun, 'signal' | 'onProgress'>

/** What a wiring module gives a thread: the means to run tasks. */
export interface WorkerRuntime {
  /** Loads what tasks on these sources will need. */
  prepare?(sources: readonly SourceDescription[]): Promise<void>
  run(task: WorkerTask, signal: AbortSignal, onProgress: (progress: TaskProgress) => void): Promise<StageResult>
  /** Lets go of what it keeps open between tasks; a thread that ends need not call it. */
  close?(): Promise<void>
}

/** Plain data that a wiring module opens its runtime from. */
export interface WorkerSetup {
  /** Armed in each thread when it opens its runtime; passages count per thread. */
  readonly fault?: ArmedFault | null
}

/** Exports of a wiring module. */
export interface WorkerWiring {
  openWorkerRuntime(setup: WorkerSetup): WorkerRuntime | Promise<WorkerRuntime>
}

/** What a worker is to do. */
export type WorkerJob =
  | { readonly kind: 'prepare'; readonly sources: readonly SourceDescription[] }
  /** `number`: of the task, in what the worker tells of it before it is done. */
  | { readonly kind: 'run'; readonly task: WorkerTask; readonly number: number }

/** A job on its way to a worker: data only, for it is copied. */
export interface WorkerMessage {
  readonly wiringUrl: string
  readonly setup: WorkerSetup
  readonly job: WorkerJob
}

/** Told on the side while a task runs. */
export interface ProgressMessage {
  readonly millraceTask: number
  readonly progress: TaskProgress
}

/** Failures come back as values: a thrown error would lose its class and code on the way. */
export type WorkerOutcome =
  | { readonly kind: 'prepared' }
  | { readonly kind: 'done'; readonly result: StageResult }
  | { readonly kind: 'failed'; readonly error: PlainError }

/** An error on its way back: classes do not survive the copy. */
export interface PlainError {
  readonly code: ErrorCode
  readonly message: string
  readonly retryable: boolean
  readonly context: Readonly<Record<string, unknown>>
  readonly problems: readonly string[]
  readonly stack: string
  readonly cause: string | null
}

/** Anything thrown, as plain data. What is no {@link MillraceError} is a bug: `WORKER_FAILED`, not retryable. */
export function toPlainError(error: unknown): PlainError {
  const known = error instanceof MillraceError ? error : null
  const cause = error instanceof Error ? error.cause : undefined
  return {
    code: known?.code ?? 'WORKER_FAILED',
    message: known?.message ?? `worker failed: ${messageOf(error)}`,
    retryable: known?.retryable ?? false,
    context: cloneable(known?.context ?? {}),
    problems: known?.problems ?? [],
    stack: (error instanceof Error ? error.stack : undefined) ?? '',
    cause: cause === undefined ? null : cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
  }
}

function cloneable(context: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const printed = Object.entries(context).map(([key, value]) => [
    key,
    typeof value === 'object' || typeof value === 'function' || typeof value === 'symbol' ? String(value) : value,
  ])
  return Object.fromEntries(printed) as Record<string, unknown>
}

/** The error again, with the thread's stack. */
export function fromPlainError(plain: PlainError): MillraceError {
  const { code, message, retryable, context, problems } = plain
  const cause = plain.cause === null ? {} : { cause: Object.assign(new Error('in worker'), { stack: plain.cause }) }
  const error = new MillraceError(code, message, { retryable, context, problems, ...cause })
  if (plain.stack !== '') error.stack = plain.stack
  return error
}
