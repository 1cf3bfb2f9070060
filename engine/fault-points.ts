/**
 * Named places where a test may make the process die or fail. In production nothing is armed and a call costs one
 * comparison. The crash sweep runs through every name of {@link faultPoints}.
 */
import { MillraceError } from './errors.ts'

/** Every moment at which dying must do no harm, in the order of a batch. */
export const faultPoints = [
  'batch-planned', // ranges cut, nothing read
  'worker-read', // in the worker: records read, nothing written
  'file-written', // a Parquet file is in staging
  'stage-done', // every file of the stage is in staging
  'sinks-prepared', // stores have found what they refuse, nothing counts yet
  'sink-begin', // about to commit to a sink
  'data-file-published', // data files are in the table's folder, not referenced
  'before-log-commit', // about to put the next log entry
  'after-log-commit', // the log entry is there, nobody has been told
  'store-before-commit', // inside the open transaction of an embedded store
  'store-after-commit',
  'between-sinks', // one sink has committed, the next has not
  'sinks-committed', // all sinks have
  'log-checkpoint-written', // checkpoint file is there, the hint is not
  'before-next-batch',
] as const

/** One of {@link faultPoints}. */
export type FaultPoint = (typeof faultPoints)[number]

/** Which passage of which point fails, and how. */
export interface ArmedFault {
  readonly point: FaultPoint
  /** Fires at the n-th passage, counted from 1, per thread. */
  readonly passage: number
  /** `kill`: SIGKILL to this very process. `throw`: a retryable error, once. `crash`: a fatal error, once. */
  readonly action: 'kill' | 'throw' | 'crash'
}

let armed: ArmedFault | null = null
let passages = 0

/** Arms one fault for this thread, or disarms with null. */
export function armFault(fault: ArmedFault | null): void {
  armed = fault
  passages = 0
}

/** Passes a named place; does nothing unless a test armed it. */
export function faultPoint(point: FaultPoint): void {
  if (armed === null || armed.point !== point) return
  passages += 1
  if (passages !== armed.passage) return
  if (armed.action === 'kill') process.kill(process.pid, 'SIGKILL')
  throw new MillraceError('FAULT_INJECTED', `fault injected at ${point}`, { retryable: armed.action === 'throw' })
}
