/** Sending dead letters again, as a pipeline: its position says what was sent, so that nothing is sent twice. */
import { delta, kafka } from '../connectors/index.ts'
import { definePipeline } from '../engine/define.ts'
import { identifier } from '../engine/duckdb.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import { availableNow } from '../engine/trigger.ts'
import { col, filter, isNotNull, sql } from '../operators/index.ts'

/** Columns of a dead letter that make up its record again. */
export const toSend = ['topic', 'key', 'value', 'headers', 'timestamp'] as const

/**
 * From a dead-letter table to the topics that its records came from, with key, value, headers and time as they were, in the
 * order in which they stood there.
 */
export function replayPipeline(table: string): Pipeline {
  return definePipeline({
    name: `replay-${table.toLowerCase().replaceAll(/[^a-z0-9_-]+/g, '-')}`.slice(0, 100),
    description: `Records of ${table}, sent again`,
    source: delta({ table }),
    steps: [
      filter('known', isNotNull(col('topic'))),
      sql('record', `SELECT ${toSend.map(identifier).join(', ')} FROM batch ORDER BY topic, "partition", "offset"`),
    ],
    sink: kafka({ mode: 'append' }),
    trigger: availableNow(),
  })
}
