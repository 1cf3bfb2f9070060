/** Records of a script, appended to the embedded log. */
import { printJson } from '../../connectors/delta/int64-json.ts'
import { openProducer, producerBatch } from '../../connectors/file-log/producer.ts'
import type { Clock, Ids } from '../../engine/contracts.ts'
import { type InputValue, RecordItem, type TestRecord } from './script.ts'

/** Where topics are. */
export interface TopicPlace {
  readonly logDir: string
  readonly clock: Clock
  readonly ids: Ids
}

/** Makes topics that are not there yet, each with so many partitions. */
export async function makeTopics(place: TopicPlace, topics: ReadonlyMap<string, number>): Promise<void> {
  const producer = await openProducer({ dir: place.logDir, clock: place.clock, ids: place.ids })
  try {
    for (const [topic, partitions] of topics) await producer.createTopic(topic, partitions)
  } finally {
    await producer.close()
  }
}

/** Appends records to a topic that is there, in their order. */
export async function appendRecords(
  place: TopicPlace,
  topic: string,
  items: readonly (InputValue | RecordItem)[],
): Promise<void> {
  if (items.length === 0) return
  const producer = await openProducer({ dir: place.logDir, clock: place.clock, ids: place.ids })
  try {
    const batch = producerBatch()
    for (const item of items) batch.add(sent(recordOf(item), place.clock.nowMs()))
    await producer.append(topic, batch)
  } finally {
    await producer.close()
  }
}

/** An item as a record. */
export function recordOf(item: InputValue | RecordItem): TestRecord {
  return item instanceof RecordItem ? item.record : { value: item }
}

function sent({ value, key = null, timestampMs, headers = [], partition }: TestRecord, nowMs: number) {
  return {
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : bytesOf(value),
    timestampMs: timestampMs ?? nowMs,
    headers: headers.map(([name, each]) => [name, each === null ? null : Buffer.from(each)] as const),
    ...(partition === undefined ? {} : { partition }),
  }
}

function bytesOf(value: Exclude<InputValue, null>): Uint8Array {
  if (typeof value === 'string' || value instanceof Uint8Array) return Buffer.from(value)
  return Buffer.from(printJson(value))
}
