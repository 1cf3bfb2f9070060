/** Ways in which a record can be damaged: every one of them makes its critical fields unreadable. */
import { type EnvelopeFields, recordOf, type TopicRecord, valueText } from './envelope.ts'
import type { TmdbEvent } from './event.ts'
import type { Random } from './random.ts'

/** The ways in which a record can be damaged. */
export const corruptions = [
  'truncated', // cut somewhere, as by a full buffer
  'wrong-type', // an id that is no whole number, or a label that is no text
  'not-json', // an error page, empty bytes, binary
  'missing-id',
  'invalid-label', // text, but none of old, new, change
  'bad-timestamp', // text, but no point in time
] as const

/** One of {@link corruptions}. */
export type Corruption = (typeof corruptions)[number]

/** A damaged record, and what was done to it. */
export interface CorruptedRecord extends TopicRecord {
  readonly corruption: Corruption
}

/** A damaged copy of an event's record, under the same key; null for a deletion, which has no value to damage. */
export function corrupted(event: TmdbEvent, random: Random): CorruptedRecord | null {
  const corruption = random.pick(corruptions)
  if (event.op === 'D') return null
  const record = recordOf(event)
  return { ...record, corruption, value: damage(event, record.value!, corruption, random) }
}

function damage(
  event: Extract<TmdbEvent, { op: 'A' | 'M' }>,
  value: Uint8Array,
  corruption: Corruption,
  random: Random,
): Uint8Array {
  const changed = (fields: Partial<EnvelopeFields>) =>
    Buffer.from(valueText({ ...event, id: String(event.id), ...fields }))
  switch (corruption) {
    case 'truncated':
      return value.subarray(0, random.between(1, value.length - 1))
    case 'wrong-type':
      return changed({ id: random.pick(['"number five"', 'true', '[550]', '{"value":550}', '550.5', '1e99']) })
    case 'not-json':
      return random.pick(noJson)
    case 'missing-id':
      return changed({ id: null })
    case 'invalid-label':
      return changed({ label: random.pick(['', 'NEW', 'deleted', 'olde', "'; DROP TABLE movies; --"]) })
    case 'bad-timestamp':
      return changed({ timestamp: random.pick(['', 'yesterday', '2026-13-45T99:99:99Z', '14/07/2026 06:45', '0']) })
  }
}

const noJson: readonly Uint8Array[] = [
  Buffer.from('<html><body><h1>502 Bad Gateway</h1></body></html>'),
  Buffer.from('id=550&type=movie&label=new'),
  Buffer.from([0x00, 0xff, 0xfe, 0x80, 0x1f, 0x8b, 0x08]),
  Buffer.alloc(0),
  Buffer.from('null'),
]
