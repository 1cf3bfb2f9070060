/** The columns of raw records and of dead letters, in the words of a table's schema. */
import type { Column } from './schema.ts'

/** Names, order and types of what every {@link RecordReader} yields. `value` null: a tombstone. */
export const recordColumns: readonly Column[] = [
  { name: 'topic', type: 'string' },
  { name: 'partition', type: 'integer' },
  { name: 'offset', type: 'long' },
  { name: 'timestamp', type: 'timestamp' },
  { name: 'key', type: 'binary' },
  { name: 'value', type: 'binary' },
  {
    name: 'headers',
    type: {
      kind: 'array',
      element: {
        kind: 'struct',
        fields: [
          { name: 'key', type: 'string' },
          { name: 'value', type: 'binary' },
        ],
      },
    },
  },
]

/** The columns of every dead-letter table: the cause, then the record. */
export const deadLetterColumns: readonly Column[] = [
  { name: 'pipeline', type: 'string' },
  { name: 'step', type: 'string' },
  { name: 'code', type: 'string' },
  { name: 'message', type: 'string' },
  ...recordColumns,
]
