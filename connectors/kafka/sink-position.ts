/**
 * How far a sink holds its source: the newest record of a topic of its own, written in the transactions that write the
 * rows. One topic for each sink, so that no other's open transaction stands before its records.
 */
import type { Position } from '../../engine/contracts.ts'
import { MillraceError, messageOf } from '../../engine/errors.ts'
import { positionTopicPrefix } from '../records/description.ts'
import { type ProducerBatch, producerBatch } from '../records/producer-batch.ts'
import { shortName } from '../records/short-name.ts'
import { sourcePartition } from '../records/source-partition.ts'
import type { KafkaClient, KafkaTopic } from './client.ts'
import { kafkaError, requestFailed } from './failures.ts'
import { awaitSettled, listOffsets } from './offsets.ts'
import { kafkaReader } from './reader.ts'
import { createMissingTopics } from './topic-creation.ts'

/** What a commit leaves behind beside its rows. */
export interface HeldPosition {
  readonly position: Position
  readonly fingerprint: string
  /** Of the commit that wrote this. */
  readonly txnId: string
  readonly rows: number
}

/** The longest name that a topic may have. */
const longestName = 249

/** Name of the topic: of letters that a topic's name may have. It is the transactional id as well. */
export function positionTopic(client: KafkaClient, pipeline: string, target: string | null): string {
  return shortName(fullName(client, pipeline, target), longestName)
}

function fullName(client: KafkaClient, pipeline: string, target: string | null): string {
  return `${positionTopicPrefix(client.settings.groupPrefix)}${pipeline}.${target ?? 'topics'}`
}

/**
 * Earlier versions cut long names, so that two sinks might share a topic. `SINK_FAILED` where there is such a topic and none of the name
 * of today: nobody can tell whose position it holds.
 */
export async function refuseCutName(client: KafkaClient, pipeline: string, target: string | null): Promise<void> {
  const full = fullName(client, pipeline, target)
  if (full.length <= longestName) return
  const [name, cut] = [shortName(full, longestName), full.slice(0, longestName)]
  const there = await client.topics([name, cut])
  if (there.has(name) || !there.has(cut)) return
  throw new MillraceError(
    'SINK_FAILED',
    `topic ${cut} may hold the position of this sink or of another one whose name is as long: earlier versions cut names at ${longestName} letters (create topic ${name} with one partition and cleanup.policy=compact, and copy the newest record of the former into it if only this sink wrote it)`,
    { context: { topic: cut } },
  )
}

/** Only the newest record matters; the broker may drop the others. */
export function createPositionTopic(client: KafkaClient, name: string): Promise<void> {
  const configuration = { 'cleanup.policy': 'compact', 'segment.bytes': String(16 * 2 ** 20) }
  return createMissingTopics(client, [{ name, partitions: 1, configuration }])
}

/** The record that a commit writes. */
export function positionRecord(held: HeldPosition, nowMs: number): ProducerBatch {
  const batch = producerBatch()
  const position = Object.fromEntries([...held.position].map(([name, next]) => [name, String(next)]))
  const value = Buffer.from(JSON.stringify({ ...held, position }))
  batch.add({ partition: 0, key: Buffer.from('position'), value, timestampMs: nowMs })
  return batch
}

/** Offsets looked through at first: the newest record is near the end, unless many transactions were given up. */
const tailOffsets = 64n

/**
 * The same, asked by whoever has begun a transaction of this topic's id: nothing is open in it any more, unless the
 * cluster has lost the marker of a transaction that it calls complete. Then nobody can tell what it did: `SINK_FAILED`.
 */
export async function readSettledPosition(client: KafkaClient, name: string): Promise<HeldPosition | null> {
  const topic = (await client.topics([name])).get(name)
  // Made before this is asked: a broker that does not know it has just started, and would hide what it holds.
  if (topic === undefined) throw requestFailed(`looking for topic ${name}`, kafkaError.unknownTopicOrPartition)
  const open = await awaitSettled(client, [{ topic, partition: 0 }])
  if (open === null) return newestHeld(client, topic)
  throw new MillraceError(
    'SINK_FAILED',
    `topic ${name} has a transaction that hangs at offsets [${open.start}, ${open.end}): the cluster calls it complete, and lost the markers that say so (abort it there and in the topic that is written to: kafka-transactions.sh find-hanging, then abort)`,
    { retryable: true, context: { topic: name, start: String(open.start), end: String(open.end) } },
  )
}

/** The newest committed record; null if there is none. */
export async function readHeldPosition(client: KafkaClient, name: string): Promise<HeldPosition | null> {
  const topic = (await client.topics([name])).get(name)
  if (topic === undefined) return null
  await awaitSettled(client, [{ topic, partition: 0 }])
  return newestHeld(client, topic)
}

/** Of what is settled by now. */
async function newestHeld(client: KafkaClient, topic: KafkaTopic): Promise<HeldPosition | null> {
  const { name } = topic
  const partitions = [{ topic, partition: 0 }]
  const [earliest = 0n] = await listOffsets(client, partitions, 'earliest')
  const [latest = 0n] = await listOffsets(client, partitions, 'latest')
  const tail = latest - tailOffsets
  if (tail > earliest) {
    const found = await newestIn(client, name, tail, latest)
    if (found !== null) return found
  }
  return newestIn(client, name, earliest, latest)
}

async function newestIn(client: KafkaClient, name: string, start: bigint, end: bigint): Promise<HeldPosition | null> {
  const reader = kafkaReader({ client, onDataLoss: 'continue', identity: new Map() })
  const range = { sourcePartition: sourcePartition(name, 0), start, end }
  const options = { maxBytes: Number.MAX_SAFE_INTEGER, signal: new AbortController().signal }
  let newest: Uint8Array | null = null
  for await (const { table } of reader.read(range, options))
    if (table.numRows > 0) newest = Uint8Array.from(table.getChild('value')!.get(table.numRows - 1) as Uint8Array)
  return newest === null ? null : parse(name, newest)
}

function parse(topic: string, value: Uint8Array): HeldPosition {
  try {
    const { position, ...rest } = JSON.parse(Buffer.from(value).toString('utf8')) as HeldPosition & {
      readonly position: Readonly<Record<string, string>>
    }
    return { ...rest, position: new Map(Object.entries(position).map(([name, next]) => [name, BigInt(next)])) }
  } catch (cause) {
    throw new MillraceError(
      'SINK_FAILED',
      `topic ${topic} holds a position that cannot be read: ${messageOf(cause)} (has somebody else written to it?)`,
      { cause },
    )
  }
}
