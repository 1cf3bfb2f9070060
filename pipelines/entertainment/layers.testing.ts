/** Documents through silver and a layer behind it: what each step gives, without tables or stores. */

import type { Row } from '../../engine/duckdb.ts'
import type { Pipeline } from '../../engine/index.ts'
import { derive, type Expression, lit } from '../../operators/index.ts'
import type { Bench } from '../../operators/relational/bench.testing.ts'
import type { Kind } from './kinds.ts'
import { silver } from './silver.ts'

/** A TMDB document, which bronze holds under the id that it names itself. */
export type Document = Readonly<Record<string, unknown>> & { readonly id: number }

/** A record of bronze with a document, and what else it says of itself. */
export interface BronzeRecord {
  readonly id: number
  readonly key: string | null
  readonly document: unknown
}

/** What the steps of silver make of records, in one batch: by step id; rejected records under `<id>.rejected`. */
export async function throughSilver(bench: Bench, kind: Kind, records: readonly BronzeRecord[]) {
  const { steps } = silver(kind)
  const ran = await bench.run(steps, { columns: bronzeColumns, rows: records.map(bronzeRow) })
  return { ...ran, files: ran.result.outputs.get(steps.at(-1)!.id) ?? [] }
}

/** Rows that steps of `layer` give for documents that are new to silver. */
export async function behindSilver(
  bench: Bench,
  { kind, layer, documents }: { readonly kind: Kind; readonly layer: Layer; readonly documents: readonly Document[] },
  steps: readonly string[],
): Promise<readonly (readonly Row[])[]> {
  const { files } = await throughSilver(bench, kind, documents.map(recordOf))
  const result = await bench.execute(
    [derive('feed', feed, { from: 'row' }), ...layer(kind).steps.map(behindFeed)],
    new Map([['row', { kind: 'files', files }]]),
    steps,
  )
  return Promise.all(steps.map((step) => bench.rowsOf(result.outputs.get(step))))
}

/** A pipeline that reads what changes in silver. */
type Layer = (kind: Kind) => Pipeline

/** A record of a document under its own id. */
export function recordOf(document: Document): BronzeRecord {
  return { id: document.id, key: String(document.id), document }
}

const feed: { readonly [name: string]: Expression } = { _change_type: lit('insert'), _commit_version: lit(1) }

function behindFeed(step: Pipeline['steps'][number]): Pipeline['steps'][number] {
  return step.from === undefined ? step : { ...step, from: step.from.map((id) => (id === 'source' ? 'feed' : id)) }
}

function bronzeRow({ id, key, document }: BronzeRecord, offset: number): readonly unknown[] {
  const value = document === null ? null : Buffer.from(JSON.stringify({ id, doc: document }))
  const label = document === null ? 'delete' : 'new'
  return ['t', 0, offset, key === null ? null : Buffer.from(key), value, id, label, '2026-01-01T00:00:00Z']
}

const bronzeColumns = {
  topic: 'string',
  partition: 'integer',
  offset: 'long',
  key: 'binary',
  value: 'binary',
  id: 'long',
  label: 'string',
  event_time: 'timestamp',
} as const
