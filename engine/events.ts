/** What a running pipeline tells. Progress bar, log lines and metrics subscribe; the loop knows none of them. */
import type { AbsentInput, Position, Range, WriteCounts } from './contracts.ts'
import type { EmbeddingCounts } from './embedder.ts'
import type { Retry } from './retry.ts'

/** What became of one sink in a batch. */
export interface SinkReport {
  readonly sink: string
  readonly outcome: 'committed' | 'already-committed'
  readonly version?: bigint
  readonly written: WriteCounts
}

/** In the order in which it happens; `stopped` is always the last. */
export type PipelineEvent =
  | {
      readonly type: 'planned'
      readonly pipeline: string
      readonly ranges: readonly Range[]
      /** Sinks that the batch is for; fewer than all when a half-finished batch is replayed. */
      readonly sinks: readonly string[]
      readonly replay: boolean
      readonly lagRecords: number
      /** Parts of the ranges that the source no longer keeps and that are passed over, as configured. */
      readonly missing: readonly Range[]
    }
  /** Now and then while texts are embedded, which may take long. */
  | {
      readonly type: 'embedding'
      readonly pipeline: string
      readonly step: string
      /** Rows of the batch of which the vectors are there. */
      readonly embedded: number
      /** Rows that there are; null where that is not known yet. */
      readonly of: number | null
    }
  | {
      readonly type: 'committed'
      readonly pipeline: string
      readonly ranges: readonly Range[]
      readonly replay: boolean
      readonly rowsIn: number
      readonly bytesIn: number
      readonly rowsOut: number
      readonly deadLetters: number
      readonly violations: number
      /** Texts that became vectors; absent where none did. */
      readonly embedded?: EmbeddingCounts
      readonly sinks: readonly SinkReport[]
      /** Records between the new position and the source's end when the batch was planned. */
      readonly lagRecords: number
      readonly durationMs: number
    }
  | ({ readonly type: 'retried'; readonly pipeline: string } & Retry)
  | { readonly type: 'fenced'; readonly pipeline: string; readonly sink: string; readonly position: Position }
  /**
   * A store did not take rows for what is in them. They are among the dead letters, unless a batch is replayed without those: then they
   * are there from its first run, or the store is new and the row that it does not take is told here only.
   */
  | {
      readonly type: 'refused'
      readonly pipeline: string
      readonly sink: string
      readonly rows: number
      /** Of the first. */
      readonly message: string
      /** The first, as JSON, cut short. */
      readonly row: string
      readonly setAside: boolean
    }
  /** A sink gave up ranges that another definition had made, since no sink but the dead letters held them, or as somebody asked. */
  | {
      readonly type: 'taken-back'
      readonly pipeline: string
      readonly sink: string
      readonly ranges: readonly Range[]
      /** Whether rows of them stay all the same. */
      readonly kept: boolean
    }
  /** The source could not be told how far it was read; only tools that show its lag notice. */
  | { readonly type: 'offsets-not-told'; readonly pipeline: string; readonly error: unknown }
  /** What the sources name and do not find (any more): a stream goes on without it, and reads it once it is there. */
  | { readonly type: 'source-missing'; readonly pipeline: string; readonly missing: readonly AbsentInput[] }
  /** Pipelines have failed that write what this one reads, directly or not: it goes on with what is committed. */
  | { readonly type: 'input-behind'; readonly pipeline: string; readonly failed: readonly string[] }
  /** A source or sink could not be closed, or not in time, at the end of a run; nothing depends on it. */
  | { readonly type: 'not-closed'; readonly pipeline: string; readonly error: unknown }
  | { readonly type: 'failed'; readonly pipeline: string; readonly error: unknown }
  | {
      readonly type: 'stopped'
      readonly pipeline: string
      readonly reason: 'end-of-input' | 'stop-requested' | 'failed'
    }
