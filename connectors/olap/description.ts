/** `olap({...})`: tables for analysis, kept equal to what their owners' rows say today. Data only. */
import type { SinkDescription } from '../../engine/contracts.ts'

/** A table of the OLAP store, kept equal to the rows of a step, owner by owner. */
export interface OlapTable {
  /** Step that gives the rows: all rows of the owners touched, and none twice. */
  readonly from: string
  /** Columns that identify a row of the table. */
  readonly key: readonly string[]
  /** Columns of the table that name a row's owner, each with the column of `owners` that it equals. */
  readonly owner: { readonly [tableColumn: string]: string }
}

export interface OlapOptions {
  readonly tables: { readonly [table: string]: OlapTable }
  /** Step that names the owners whose rows this batch replaces, deleted ones included. */
  readonly owners: string
  /** Views over the tables, made as soon as the tables that they name exist. */
  readonly views?: { readonly [view: string]: { readonly sql: string } }
}

/** Normalised tables in the embedded OLAP store. Inputs are named like the steps that feed them. */
export function olap(options: OlapOptions): SinkDescription {
  const steps = [options.owners, ...Object.values(options.tables).map((table) => table.from)]
  return {
    kind: 'olap',
    writes: 'store:olap',
    inputs: Object.fromEntries(steps.map((step) => [step, step])),
    options: { ...options } as unknown as SinkDescription['options'],
  }
}
