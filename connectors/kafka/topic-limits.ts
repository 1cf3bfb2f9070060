/** Which records a topic takes: what a broker would say of each, known before it is sent. */
import { MillraceError } from '../../engine/errors.ts'
import type { RecordColumns } from '../records/producer-batch.ts'
import type { RefuseRecord } from '../records/sink-rows.ts'
import type { KafkaClient } from './client.ts'
import { headBytes } from './record-batch.ts'
import { encodeBatch, encodedBytes } from './record-batch-encoder.ts'
import { topicConfiguration } from './topic-configuration.ts'

/** What a topic allows. */
export interface TopicLimits {
  /** Bytes of a record batch. */
  readonly batchBytes: number
  /** Whether newer records take the place of older ones by key, so that each needs one. */
  readonly needsKey: boolean
  /** Times that are accepted, milliseconds since 1970: no earlier and no later one. */
  readonly earliestMs: number
  readonly latestMs: number
}

const names = [
  'max.message.bytes',
  'segment.bytes',
  'cleanup.policy',
  'message.timestamp.type',
  'message.timestamp.before.max.ms',
  'message.timestamp.after.max.ms',
] as const

/** Of a cluster that does not say: everything goes, and the broker has its own word. */
const unknown: TopicLimits = {
  batchBytes: Number.POSITIVE_INFINITY,
  needsKey: false,
  earliestMs: Number.NEGATIVE_INFINITY,
  latestMs: Number.POSITIVE_INFINITY,
}

/**
 * What a topic is configured to take at a time. Users that may write to a topic and not ask for its configuration learn nothing of it:
 * then what it refuses fails the batch, before anything is committed.
 */
export async function topicLimits(client: KafkaClient, topic: string, nowMs: number): Promise<TopicLimits> {
  try {
    const found = await topicConfiguration(client, topic, names)
    const number = (name: string) => Number(found.get(name) ?? Number.POSITIVE_INFINITY)
    const byProducer = found.get('message.timestamp.type') !== 'LogAppendTime'
    return {
      batchBytes: Math.min(number('max.message.bytes'), number('segment.bytes')),
      needsKey: found.get('cleanup.policy')?.includes('compact') ?? false,
      earliestMs: byProducer ? nowMs - number('message.timestamp.before.max.ms') : unknown.earliestMs,
      latestMs: byProducer ? nowMs + number('message.timestamp.after.max.ms') : unknown.latestMs,
    }
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'KAFKA_REFUSED') return unknown
    throw error
  }
}

const nobody = { producerId: -1n, producerEpoch: -1, sequence: -1, transactional: true, compression: 'none' } as const

/** Why a topic of such limits refuses a record; null if it takes it. */
export function refusesBeyond(limits: TopicLimits): RefuseRecord {
  return (columns, row) => {
    if (headBytes + encodedBytes(columns, row) > limits.batchBytes) {
      const { length } = encodeBatch(columns, [row], nobody) // what was only estimated is counted
      if (length > limits.batchBytes)
        return `is too large for the topic: ${length} bytes, at most ${limits.batchBytes} (max.message.bytes, segment.bytes)`
    }
    if (limits.needsKey && columns.keys[row] === null) return 'has no key, and the topic is compacted by key'
    return refusedTime(columns, row, limits)
  }
}

function refusedTime(columns: RecordColumns, row: number, { earliestMs, latestMs }: TopicLimits): string | null {
  const ms = Number(columns.timestampsUs[row]! / 1000n)
  if (ms >= earliestMs && ms <= latestMs) return null
  const setting = ms > latestMs ? 'after' : 'before'
  return `has a time that the topic does not take: ${ms} ms since 1970 (message.timestamp.${setting}.max.ms)`
}
