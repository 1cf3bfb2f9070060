/** Where partitions begin and end, and where a time falls in them. */
import { setTimeout as sleep } from 'node:timers/promises'
import * as kafka from '@platformatic/kafka'
import type { Range } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { sourcePartition } from '../records/source-partition.ts'
import { apiVersions, type KafkaClient, type KafkaTopic } from './client.ts'

/** A place in a partition, asked for by name or by time; `written` counts records of open transactions as well. */
export type OffsetQuery = 'earliest' | 'latest' | 'written' | { readonly timestampMs: number }

/** One partition of a topic. */
export interface TopicPartition {
  readonly topic: KafkaTopic
  readonly partition: number
}

/** Every partition of the topics. */
export function partitionsOf(topics: ReadonlyMap<string, KafkaTopic>): TopicPartition[] {
  return [...topics.values()].flatMap((topic) => topic.leaders.map((_, partition) => ({ topic, partition })))
}

const listOffsetsApi = apiVersions(
  'ListOffsets',
  kafka.listOffsetsV6,
  kafka.listOffsetsV7,
  kafka.listOffsetsV8,
  kafka.listOffsetsV9,
)

/** Not a replica, but a client. */
const noReplica = -1

/**
 * Offsets of the partitions, in their order: of the first record that is kept; the next to be written, as far as
 * transactions are settled; of the first record as new as a time, or the end where there is none.
 */
export async function listOffsets(
  client: KafkaClient,
  partitions: readonly TopicPartition[],
  query: OffsetQuery,
): Promise<bigint[]> {
  const found = new Map<string, bigint>()
  const byLeader = Map.groupBy(partitions, ({ topic, partition }) => topic.leaders[partition] ?? -1)
  await Promise.all([...byLeader].map(([leader, its]) => askLeader(client, { leader, its, query }, found)))
  const offsets = partitions.map(({ topic, partition }) => found.get(`${topic.name}/${partition}`) ?? -1n)
  if (typeof query !== 'object' || !offsets.includes(-1n)) return offsets
  const ends = await listOffsets(client, partitions, 'latest')
  return offsets.map((offset, i) => (offset === -1n ? ends[i]! : offset))
}

interface Asked {
  readonly leader: number
  readonly its: readonly TopicPartition[]
  readonly query: OffsetQuery
}

async function askLeader(
  client: KafkaClient,
  { leader, its, query }: Asked,
  found: Map<string, bigint>,
): Promise<void> {
  if (leader < 0) throw withoutLeader(client, its)
  const topics = [...Map.groupBy(its, ({ topic }) => topic.name)].map(([name, partitions]) => ({
    name,
    partitions: partitions.map(({ partition }) => ({
      partitionIndex: partition,
      currentLeaderEpoch: -1,
      timestamp: timestampOf(query),
    })),
  }))
  const { READ_COMMITTED, READ_UNCOMMITTED } = kafka.FetchIsolationLevels
  const isolation = query === 'written' ? READ_UNCOMMITTED : READ_COMMITTED
  const answer = await client.ask(leader, listOffsetsApi, noReplica, isolation, topics)
  for (const { name, partitions } of answer.topics)
    for (const { partitionIndex, offset } of partitions) found.set(`${name}/${partitionIndex}`, offset)
}

function timestampOf(query: OffsetQuery): bigint {
  // Times before 1970 are names of places to a broker (-1 is its end), and no record is older than its first.
  if (typeof query === 'object' && query.timestampMs >= 0) return BigInt(Math.floor(query.timestampMs))
  return query === 'earliest' || typeof query === 'object'
    ? kafka.ListOffsetTimestamps.EARLIEST
    : kafka.ListOffsetTimestamps.LATEST
}

function withoutLeader(client: KafkaClient, its: readonly TopicPartition[]): MillraceError {
  client.forget()
  const names = its.map(({ topic, partition }) => `${topic.name}/${partition}`).join(', ')
  return new MillraceError('KAFKA_UNREACHABLE', `kafka: no broker leads ${names} (are enough brokers up?)`, {
    retryable: true,
  })
}

const settlePauseMs = 10

/**
 * Waits until what is written to the partitions by now is settled, so that readers see it: a transaction's end is
 * decided a moment before its markers are in the log. Gives up after `patienceMs`, since another's may stay open, and says
 * what is not settled then, in the first such partition; null if all is.
 */
export async function awaitSettled(
  client: KafkaClient,
  partitions: readonly TopicPartition[],
  patienceMs = 2_000,
): Promise<Range | null> {
  const written = await listOffsets(client, partitions, 'written')
  for (let waitedMs = 0; ; waitedMs += settlePauseMs) {
    const settled = await listOffsets(client, partitions, 'latest')
    const open = settled.findIndex((offset, i) => offset < written[i]!)
    if (open < 0) return null
    if (waitedMs >= patienceMs) {
      const { topic, partition } = partitions[open]!
      return { sourcePartition: sourcePartition(topic.name, partition), start: settled[open]!, end: written[open]! }
    }
    await sleep(settlePauseMs)
  }
}
