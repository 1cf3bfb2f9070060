/** An OLAP store for those who ask questions, whatever keeps it. */
import { MillraceError } from '../../engine/errors.ts'

/** Values of a query's parameters, by name, as text: `{name:Type}` in the query says what they are. */
export type OlapParameters = { readonly [name: string]: string }

/**
 * One row of a query's result, by column. Whole numbers of 64 bits are bigint; days, times and exact fractions are text, as
 * `engine/readable.ts` has them.
 */
export type OlapRow = { readonly [column: string]: unknown }

export interface OlapQueries {
  /**
   * Rows of one SQL query over the store's tables and views. `SINK_FAILED` with the engine's message for a query that is wrong, or would
   * write; `CONFIG_INVALID` for parameters that do not fit it; `TABLE_NOT_FOUND` where the store lacks a table, or holds nothing yet. A signal that
   * aborts cancels the query in the store, and rejects with its reason.
   */
  ask(sql: string, parameters?: OlapParameters, signal?: AbortSignal): Promise<readonly OlapRow[]>
}

/** What a query is told that names a table which is not there. */
export function noTable(name: string, cause: unknown): MillraceError {
  return new MillraceError(
    'TABLE_NOT_FOUND',
    `the olap store has no table ${name} (correct the name, or run the pipeline that fills it first)`,
    { context: { table: name }, cause },
  )
}
