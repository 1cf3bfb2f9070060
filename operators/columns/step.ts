/** What a step of the columns executor is when it runs: Arrow tables in, Arrow tables out. */
import type { Table as ArrowTable } from 'apache-arrow'
import type { Step } from '../../engine/contracts.ts'
import type { Rejected } from '../../engine/dead-letter.ts'
import type { Embedder, EmbeddingCounts } from '../../engine/embedder.ts'

/** A step at work on one batch. */
export interface ColumnsStep {
  /** Called once for each table of a batch, in order, never twice at a time. */
  process(table: ArrowTable): Promise<ColumnsResult>
}

/** What a step made of one table. */
export interface ColumnsResult {
  /** Its schema is the same for every table of a batch. */
  readonly valid: ArrowTable
  /** Rows of the input table that the step refused; null if none. */
  readonly rejected: Rejected | null
}

/** What steps are made runnable with. */
export interface StepContext {
  readonly pipeline: string
  /** An embedder by the name that the definition gives. */
  openEmbedder(name: string): Promise<Embedder>
  /** To be told of rows whose vectors are there, and of how these came about. */
  onEmbedded(part: EmbeddingCounts & { readonly rows: number }): void
  /** Ends the batch. */
  readonly signal: AbortSignal
}

/** Makes a definition's step runnable; called once for each batch and thread. */
export type ColumnsOperator = (step: Step, context: StepContext) => Promise<ColumnsStep>
