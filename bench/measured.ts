/** Starts processes that measure themselves. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

/** What a pipeline's run cost. */
export interface RunCost {
  readonly rows: number
  /** Of keys and values. */
  readonly bytes: number
  /** From the start of the process to that of the run. */
  readonly startUpSeconds: number
  /** Of the run; threads start in it. */
  readonly wallSeconds: number
  /** Of the run. */
  readonly cpuSeconds: number
  /** From the moment that the first batch was planned to the end of the run; threads start in it. */
  readonly cpuSecondsFromFirstPlan: number
  /** Of the whole process, from its start. */
  readonly processCpuSeconds: number
  readonly processStartToFirstCommitMs: number
  /** Of each batch in turn, from planned to committed. */
  readonly batchMs: readonly number[]
  readonly peakMemoryMiB: number
}

export interface MeasuredRun {
  readonly pipeline: string
  readonly dataDir: string
  readonly threads: number
  /** Of the cluster; without it the pipeline reads the embedded log. */
  readonly topic?: string
  /** Without it the run is over at the end of the input. */
  readonly stream?: { readonly everySeconds: number; readonly untilRecords: number }
  /** Ends the process: a stream whose records stop coming would wait for ever. */
  readonly signal?: AbortSignal
}

/** Runs a pipeline in a process of its own. */
export function measureRun({ pipeline, dataDir, threads, topic, stream, signal }: MeasuredRun): Promise<RunCost> {
  const args = [pipeline, dataDir, String(threads)]
  if (topic !== undefined) args.push('--topic', topic)
  if (stream !== undefined) args.push('--every', String(stream.everySeconds), '--until', String(stream.untilRecords))
  return measure<RunCost>('measured-run.ts', args, signal)
}

/** Runs a script of this folder, whose last line is JSON. */
export async function measure<T>(script: string, args: readonly string[], signal?: AbortSignal): Promise<T> {
  return lastLine<T>(process.execPath, [join(import.meta.dirname, script), ...args], signal)
}

/** Runs a program to its end and parses the last line that it prints; throws with what it complained of if it fails. */
export async function lastLine<T>(program: string, args: readonly string[], signal?: AbortSignal): Promise<T> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], signal })
  const [output, complaints, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${complaints}`)
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as T
}
