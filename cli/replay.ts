/** Sending dead letters again, as a pipeline: its position says what was sent, so that nothing is sent twice. */
import { delta, kafka } from '../connectors/index.ts'
import type { SinkDescription } from '../engine/contracts.ts'
import { definePipeline } from '../engine/define.ts'
import { identifier, literal } from '../engine/duckdb.ts'
import { firstTimeHeader } from '../engine/first-time.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import { availableNow } from '../engine/trigger.ts'
import { col, filter, isNotNull, sql } from '../operators/index.ts'

/** Columns of a dead letter that make up its record again. */
export const toSend = ['topic', 'key', 'value', 'headers', 'timestamp'] as const

/**
 * From a dead-letter table to the topics that its records came from, with key, value and headers as they were, in the order in
 * which they stood there. Their time is that of sending: what keeps the time at which it was first sent may be older than its
 * topic keeps, and would be dropped before it is read. That time becomes a header ({@link firstTimeHeader}).
 * @param id of the table, which tells tables of one name in several lakes apart: each has a position of its own
 */
export function replayPipeline(table: string, id: string): Pipeline {
  return definePipeline({
    name: `replay-${table.toLowerCase().replaceAll(/[^a-z0-9_-]+/g, '-')}`.slice(0, 100),
    description: `Records of ${table}, sent again`,
    source: delta({ table }),
    steps: [
      filter('known', isNotNull(col('topic'))),
      sql('record', `SELECT ${columns.join(', ')} FROM batch ORDER BY topic, "partition", "offset"`),
    ],
    sink: ofTable(kafka({ mode: 'append' }), id),
    trigger: availableNow(),
  })
}

/**
 * The sink as it holds this table alone. Several lakes, or one that was made again, have tables of one name, and their positions in
 * one place: what the others hold is nothing that this one has read.
 */
function ofTable(sink: SinkDescription, table: string): SinkDescription {
  return { ...sink, options: { ...sink.options, positionOf: table } }
}

const iso = `strftime(make_timestamp(epoch_us("timestamp")), '%Y-%m-%dT%H:%M:%S.%fZ')`
const header = `{ 'key': ${literal(firstTimeHeader)}, 'value': encode(${iso}) }`
/** One that is sent again for the second time has the header already. */
const headers = `CASE
  WHEN "timestamp" IS NULL OR len(list_filter(headers, lambda h: h.key = ${literal(firstTimeHeader)})) > 0 THEN headers
  ELSE list_append(coalesce(headers, []), ${header}) END AS headers`
const columns = [...['topic', 'key', 'value'].map(identifier), headers]
