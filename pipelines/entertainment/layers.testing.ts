/** Documents through silver and a layer behind it: what each step gives, without tables or stores. */

import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import type { Row } from '../../engine/duckdb.ts'
import { literal } from '../../engine/duckdb.ts'
import type { Pipeline } from '../../engine/index.ts'
import type { ParquetFile } from '../../engine/schema.ts'
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
  const last = steps.at(-1)!.id
  const { outputs } = await bench.execute(
    steps.map(({ from, ...step }) =>
      from?.[0] === 'source' ? { ...step, from: ['bronze'] } : { ...step, ...(from && { from }) },
    ),
    new Map([['bronze', { kind: 'files', files: [await bronzeFile(bench, records)] }]]),
  )
  const files = outputs.get(last) ?? []
  return { rows: await bench.rowsOf(files), output: (id: string) => bench.rowsOf(outputs.get(id)), files }
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

/** By way of JSON lines: documents may be large, and many. */
async function bronzeFile({ dir, duckdb }: Bench, records: readonly BronzeRecord[]): Promise<ParquetFile> {
  const path = join(dir, `${randomUUID()}.jsonl`)
  const lines = records.map(({ id, key, document }, offset) => {
    const value = document === null ? null : JSON.stringify({ id, doc: document })
    return JSON.stringify({ id, key, offset, value, label: document === null ? 'delete' : 'new' })
  })
  await writeFile(path, lines.join('\n'))
  const columns = "{id: 'BIGINT', key: 'VARCHAR', \"offset\": 'BIGINT', value: 'VARCHAR', label: 'VARCHAR'}"
  return duckdb.withConnection((connection) =>
    copyToParquet(
      connection,
      `SELECT 't' AS topic, 0::INTEGER AS "partition", "offset", encode(key) AS key, encode(value) AS value, id, label,
         TIMESTAMPTZ '2026-01-01 00:00:00Z' AS event_time
       FROM read_json(${literal(path)}, format = 'newline_delimited', columns = ${columns}, maximum_object_size = 67108864)`,
      path.replace('.jsonl', '.parquet'),
    ),
  )
}
