/** Topic to bronze: raw bytes as they came, plus the fields without which a record is of no use. */
import { delta, kafka } from '../../connectors/index.ts'
import { definePipeline, every, type Pipeline } from '../../engine/index.ts'
import { constant, int64, oneOf, parseCritical, recordKey, recordTimestamp, timestamp } from '../../operators/index.ts'
import { deadLetters } from './dead-letters.ts'
import { documentTypes, type Kind, pipelineName, topicOf } from './kinds.ts'

/** A record that names its type must be of the topic's. A null value is a tombstone: the title of that key is gone, as of the record's own timestamp. */
export function bronze(kind: Kind): Pipeline {
  return definePipeline({
    name: pipelineName('bronze', kind),
    description: `Raw ${kind} records, append-only; what lacks its critical fields goes to the dead letters`,
    source: kafka({ topic: topicOf(kind) }),
    steps: [
      parseCritical('parse', {
        id: int64('$.id', { tombstone: recordKey() }),
        type: oneOf('$.type', [documentTypes[kind]], { optional: true, tombstone: constant(null) }),
        label: oneOf('$.label', ['old', 'new', 'change', 'delete'], { tombstone: constant('delete') }),
        event_time: timestamp('$.timestamp', { tombstone: recordTimestamp() }),
      }),
    ],
    sink: delta({ table: `bronze/${kind}`, mode: 'append' }),
    deadLetters: deadLetters(kind),
    trigger: every({ seconds: 5 }),
  })
}
