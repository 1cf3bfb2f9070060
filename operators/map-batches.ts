/** The escape hatch into JavaScript: a module of the author's that turns Arrow tables into Arrow tables. */
import type { Table as ArrowTable } from 'apache-arrow'
import type { Json, Step } from '../engine/contracts.ts'
import { MillraceError, messageOf } from '../engine/errors.ts'
import { examine, json, objectOf, optional, text } from '../engine/shape.ts'
import type { ColumnsOperator } from './columns/step.ts'

/** Where and with what a {@link MapBatches} function is called. */
export interface MapBatchesContext {
  readonly pipeline: string
  readonly step: string
  /** What the definition gave as `options`. */
  readonly options: Json
}

/**
 * The module's default export. Called once for each table that a batch is read in, in worker threads; how rows are cut
 * into tables is not promised, so it must work row by row. The number of rows may change, the columns must be the same
 * for every table. A throw fails the batch.
 */
export type MapBatches = (table: ArrowTable, context: MapBatchesContext) => ArrowTable | Promise<ArrowTable>

export interface MapBatchesOptions {
  readonly from?: string
  /** Plain data for the function. */
  readonly options?: Json
}

/** A step that runs the default export of the module at `url`: `new URL('./shout.ts', import.meta.url)`. */
export function mapBatches(id: string, url: URL, options: MapBatchesOptions = {}): Step {
  const { value, problems = [] } = examine(options, shape)
  const module = hrefOf(url)
  const step = { id, kind: 'map-batches', executor: 'columns', rejects: false } as const
  if (value === undefined || module === null)
    return { ...step, options: {}, problems: module === null ? [noModule, ...problems] : problems }
  const { from, options: data = null } = value
  return { ...step, ...(from === undefined ? {} : { from: [from] }), options: { module, options: data } }
}

const shape = objectOf({ from: optional(text), options: optional(json) })

const noModule = "url: must be the URL of a module, such as new URL('./shout.ts', import.meta.url)"

function hrefOf(url: unknown): string | null {
  try {
    return url instanceof URL ? url.href : null
  } catch {
    return null // a proxy that does not say what it is
  }
}

/** Makes a `map-batches` step runnable: imports its module. */
export const openMapBatches: ColumnsOperator = async (step, { pipeline }) => {
  const where = `step ${step.id} of pipeline ${pipeline}`
  const url = String(step.options.module)
  const map = await load(url, where)
  const context: MapBatchesContext = { pipeline, step: step.id, options: step.options.options ?? null }
  return {
    async process(table) {
      const valid = await call(map, table, context, where)
      return { valid, rejected: null }
    },
  }
}

async function load(url: string, where: string): Promise<MapBatches> {
  const module = (await import(url).catch((cause: unknown) => {
    throw failed(`${where} could not load ${url}: ${messageOf(cause)}`, cause)
  })) as { readonly default?: unknown }
  if (typeof module.default !== 'function')
    throw failed(`${where} has no function as default export: ${url} (export default (table, context) => table)`)
  return module.default as MapBatches
}

async function call(map: MapBatches, table: ArrowTable, context: MapBatchesContext, where: string) {
  let result: unknown
  try {
    result = await map(table, context)
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause // it has said already whether a retry may help
    throw failed(`${where} threw: ${messageOf(cause)}`, cause)
  }
  const { Table } = await import('apache-arrow') // a definition is made without it
  if (result instanceof Table) return result
  throw failed(`${where} returned no Arrow table (return a Table of apache-arrow)`)
}

function failed(message: string, cause?: unknown): MillraceError {
  return new MillraceError('STEP_FAILED', message, { cause })
}
