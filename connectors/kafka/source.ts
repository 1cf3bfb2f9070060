/** Topics of a cluster as a source: positions, and cutting ranges to a batch's limits. */
import type { Position, Range, RecordSource } from '../../engine/contracts.ts'
import { identityPartition } from '../../engine/identity.ts'
import { absentTopics, isPassedOver } from '../records/absent-topics.ts'
import { isAddition, type StartFrom, type TopicChoice, topicMatcher } from '../records/description.ts'
import { identityPosition, parseSourcePartition, sourcePartition, topicsIn } from '../records/source-partition.ts'
import { checkStartOffsets, startOffsets } from '../records/start-from.ts'
import type { KafkaClient, KafkaTopic } from './client.ts'
import { rangeLost } from './failures.ts'
import { type GroupMembership, joinGroup } from './group.ts'
import { listOffsets, partitionsOf, type TopicPartition } from './offsets.ts'

export interface KafkaSourceOptions {
  readonly client: KafkaClient
  readonly choice: TopicChoice
  readonly startFrom: StartFrom
  readonly onDataLoss: 'fail' | 'continue'
  /** Consumer group: shares the partitions among processes, and tells lag tools how far they are. */
  readonly group: string | (() => Promise<string>)
}

/** Where the partitions began and ended when they were last asked. */
interface Bounds {
  readonly topics: ReadonlyMap<string, KafkaTopic>
  readonly earliest: Position
  readonly latest: Position
}

/**
 * Topics that do not exist (yet) have no partitions, and are told of by `absent`. A range holds as many records as
 * offsets at most, since some hold none; its bytes are bounded where it is read.
 */
export function kafkaSource(options: KafkaSourceOptions): RecordSource {
  const { client, choice, startFrom, onDataLoss } = options
  let bounds: Bounds | null = null
  /** Where each partition begins, as it was first found. */
  const beginnings = new Map<string, bigint>()
  /** Topics that were read before this run. */
  let readBefore: ReadonlySet<string> = new Set()
  let membership: GroupMembership | null = null
  const member = async () => {
    const group = typeof options.group === 'string' ? options.group : await options.group()
    membership ??= joinGroup({ client, group })
    return membership
  }

  async function look(): Promise<Bounds> {
    const topics = await chosenTopics(client, choice)
    const partitions = partitionsOf(topics)
    const [earliest, latest] = await Promise.all([
      listOffsets(client, partitions, 'earliest'),
      listOffsets(client, partitions, 'latest'),
    ])
    const firstLook = bounds === null
    bounds = { topics, earliest: positions(partitions, earliest), latest: positions(partitions, latest) }
    await noteBeginnings(bounds, firstLook)
    return bounds
  }

  /** What the first look finds begins where configured; what is added to what was read begins at its first record. */
  async function noteBeginnings(found: Bounds, firstLook: boolean): Promise<void> {
    const fresh = partitionsOf(found.topics).filter(({ topic, partition }) => {
      return !beginnings.has(sourcePartition(topic.name, partition))
    })
    if (firstLook) checkStartOffsets(startFrom, found.latest, readBefore)
    if (fresh.length === 0) return
    const configured = firstLook ? await configuredStart(client, startFrom, fresh, found) : found.earliest
    for (const { topic, partition } of fresh) {
      const name = sourcePartition(topic.name, partition)
      const begins = isAddition(choice, topic.name, readBefore) ? found.earliest : configured
      beginnings.set(name, begins.get(name)!)
    }
  }

  return {
    shape: 'records',
    startMoves: startFrom !== 'earliest',
    async start(held = new Map()) {
      if (bounds === null) readBefore = topicsIn(held)
      if (bounds === null) await look()
      return new Map(beginnings)
    },
    async latest() {
      return (await look()).latest
    },
    async absent() {
      const present = new Set((bounds ?? (await look())).topics.keys())
      const seen = [...beginnings.keys()].map((name) => parseSourcePartition(name).topic)
      return absentTopics({ choice, onDataLoss, present, read: new Set([...readBefore, ...seen]), advice: topicAdvice })
    },
    passesOver: (partition) => isPassedOver({ choice, onDataLoss }, partition, client.settings.groupPrefix),
    async identity() {
      const { topics } = bounds ?? (await look())
      return new Map([...topics.values()].map(({ name, id }) => [identityPartition(name), identityPosition(id)]))
    },
    async cut(range, { maxRecords }) {
      const missing = onDataLoss === 'continue' ? await missingPart(range) : null
      const most = (missing?.end ?? range.start) + BigInt(Math.max(1, maxRecords))
      return { ...range, end: most < range.end ? most : range.end }
    },
    async count(range) {
      const missing = await missingPart(range)
      if (missing !== null && onDataLoss === 'fail') throw lost(missing)
      return Number(range.end - (missing?.end ?? range.start))
    },
    async missing(range) {
      return onDataLoss === 'continue' ? missingPart(range) : null
    },
    share: {
      hold: async () => (await member()).hold([...(bounds ?? (await look())).topics.values()]),
      release: () => membership?.release(),
    },
    commitOffsets: async (end) => (await member()).commitOffsets(end),
    async close() {
      await membership?.leave()
    },
  }

  /** The part of a range that is older than anything that is kept; null if there is none. */
  async function missingPart(range: Range): Promise<Range | null> {
    const { earliest } = bounds ?? (await look())
    const first = earliest.get(range.sourcePartition) ?? range.start
    if (first <= range.start) return null
    return { ...range, end: first < range.end ? first : range.end }
  }
}

const topicAdvice = 'create it, or check its name'

function lost({ sourcePartition: name, start, end }: Range) {
  return rangeLost({ ...parseSourcePartition(name), start, end, why: `the earliest kept is ${end} or later` })
}

async function chosenTopics(client: KafkaClient, choice: TopicChoice): Promise<ReadonlyMap<string, KafkaTopic>> {
  if ('topic' in choice) return client.topics([choice.topic])
  if ('topics' in choice) return client.topics(choice.topics)
  const matches = topicMatcher(choice.pattern, client.settings.groupPrefix)
  return new Map([...(await client.topics(null))].filter(([name]) => matches(name)))
}

function positions(partitions: readonly TopicPartition[], offsets: readonly bigint[]): Position {
  return new Map(partitions.map(({ topic, partition }, i) => [sourcePartition(topic.name, partition), offsets[i]!]))
}

async function configuredStart(
  client: KafkaClient,
  startFrom: StartFrom,
  partitions: readonly TopicPartition[],
  { earliest, latest }: Bounds,
): Promise<Position> {
  if (startFrom === 'earliest') return earliest
  if (startFrom === 'latest') return latest
  if ('timestamp' in startFrom) {
    const timestampMs = Date.parse(startFrom.timestamp)
    return positions(partitions, await listOffsets(client, partitions, { timestampMs }))
  }
  return new Map([...earliest, ...startOffsets(startFrom)])
}
