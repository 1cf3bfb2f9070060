/** What a step of the columns executor is when it runs: Arrow tables in, Arrow tables out. */
import type { Table as ArrowTable } from 'apache-arrow'
import type { Step } from '../../engine/contracts.ts'
import type { Rejected } from '../../engine/dead-letter.ts'

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

/** Makes a definition's step runnable; called once for each batch and thread. */
export type ColumnsOperator = (step: Step, context: { readonly pipeline: string }) => Promise<ColumnsStep>
