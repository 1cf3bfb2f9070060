/** What the loop is handed: everything that touches the world, and the decisions of other folders. */
import type {
  Clock,
  Executor,
  Ids,
  Position,
  Range,
  Sink,
  SinkDescription,
  SinkPosition,
  Source,
  SourceDescription,
  Stage,
} from './contracts.ts'
import type { Pipeline } from './pipeline.ts'
import type { RetryPolicy } from './retry.ts'

/** How a run is asked to end. */
export interface RunOptions {
  /** Ends the run once the running batch is committed. */
  readonly stop: AbortSignal
  /** Abandons the running batch: nothing of it stays, or recovery finishes it at the next start. */
  readonly abandon: AbortSignal
}

/** Lives as long as the process; pipelines share it. */
export interface Runtime {
  /** Name and sinks of `pipeline` decide of the consumer group, where sources have such. */
  openSource(description: SourceDescription, pipeline: Pipeline): Promise<Source>
  openSink(description: SinkDescription): Promise<Sink>
  readonly executors: { readonly [name in Stage['executor']]: Executor }
  readonly planRecovery: PlanRecovery
  /** A fresh local folder for one batch; {@link Runtime.dropStaging} removes it. */
  makeStaging(): Promise<string>
  dropStaging(dir: string): Promise<void>
  readonly clock: Clock
  readonly ids: Ids
  readonly retry: RetryPolicy
}

/** Pure: every sink's position, in commit order, primary last; `deadLetters` is the index of theirs, or -1. */
export type PlanRecovery = (
  sinks: readonly SinkPosition[],
  initial: Position,
  fingerprint: string,
  deadLetters: number,
) => Recovery

/** What the sinks' positions ask for. */
export type Recovery =
  /** All sinks are at one position: go on from there. */
  | { readonly kind: 'settled'; readonly position: Position }
  /** Run these ranges into these sinks only (indices in commit order), then plan again. */
  | { readonly kind: 'replay'; readonly ranges: readonly Range[]; readonly sinks: readonly number[] }
  /** Take the ranges back in the sinks that are ahead, then plan again: another definition made them, and none of them holds data. */
  | HalfBatch<'undo'>
  /** Sinks differ and the batch was begun under another definition: an automatic replay could judge otherwise. */
  | HalfBatch<'refused'>

/** Ranges that some sinks hold of another definition and others lack. */
export interface HalfBatch<Kind extends string = 'undo' | 'refused'> {
  readonly kind: Kind
  readonly ranges: readonly Range[]
  /** Indices of the sinks that lack the ranges. */
  readonly sinks: readonly number[]
  /** Indices of those that hold them. */
  readonly ahead: readonly number[]
}
