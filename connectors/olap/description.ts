/** `olap({...})` and `olapChanges({...})`: tables for analysis, kept equal to what their owners' rows say today, and what changes in them. Data only. */
import type { SinkDescription, SourceDescription } from '../../engine/contracts.ts'
import { examine, listOf, mapOf, objectOf, optional, text } from '../../engine/shape.ts'

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

const sinkShape = objectOf({
  tables: mapOf(objectOf({ from: text, key: listOf(text, 1), owner: mapOf(text, 1) }), 1),
  owners: text,
  views: optional(mapOf(objectOf({ sql: text }))),
})

/** Normalised tables in the embedded OLAP store. Inputs are named like the steps that feed them. */
export function olap(options: OlapOptions): SinkDescription {
  const { value, problems } = examine(options, sinkShape, 'olap')
  if (problems !== undefined) return { kind: 'olap', writes: 'store:olap', inputs: {}, options: {}, problems }
  const steps = [value.owners, ...Object.values(value.tables).map((table) => table.from)]
  return {
    kind: 'olap',
    writes: 'store:olap',
    inputs: Object.fromEntries(steps.map((step) => [step, step])),
    options: { ...value } as unknown as SinkDescription['options'],
  }
}

export interface OlapSourceOptions {
  /** A table of the store: `movies`. */
  readonly table: string
  /** The pipeline whose rows are read, by its name: another one that fills the same table counts its versions for itself. */
  readonly writtenBy: string
}

const sourceShape = objectOf({ table: text, writtenBy: text })

/**
 * What changes in a table of the OLAP store: the table's columns, and as in a change feed of Delta `_change_type` (`insert` for a row as it is now, whether new or
 * changed; `delete` for one that is gone, of which only the key is told) and `_commit_version`. Each key once a batch. Only ClickHouse keeps what it takes: with the embedded
 * store, read the table of the lake that the OLAP table is made from.
 */
export function olapChanges(options: OlapSourceOptions): SourceDescription {
  const { value, problems } = examine(options, sourceShape, 'olapChanges')
  const source = { kind: 'olap', shape: 'table', reads: 'store:olap' } as const
  return problems === undefined ? { ...source, options: { ...value } } : { ...source, options: {}, problems }
}
