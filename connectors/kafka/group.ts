/**
 * Membership in a consumer group by the protocol of KIP-848 (Kafka 4.0), where the broker assigns partitions and gives
 * one to a member only after the one before has let go of it. The group shares the work out; what was read is known to
 * the tables alone.
 */
import { randomUUID } from 'node:crypto'
import * as kafka from '@platformatic/kafka'
import type { Position } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { parseSourcePartition, sourcePartition } from '../records/source-partition.ts'
import { apiVersions, type KafkaClient, type KafkaTopic } from './client.ts'
import { kafkaError, kafkaFailure } from './failures.ts'

/** A process's place in a group. */
export interface GroupMembership {
  /**
   * Partitions that are ours from now until `release`: whatever the group decides meanwhile waits for that. Joins at
   * the first call, and waits for the group's first word. Null, for all of them, where the cluster has no such groups.
   */
  hold(topics: readonly KafkaTopic[]): Promise<ReadonlySet<string> | null>
  /** The batch is over: the group may have what it asked for. */
  release(): void
  /** Tells the group where reading goes on, for lag tools. */
  commitOffsets(end: Position): Promise<void>
  /** Gives everything back at once. Never throws: whoever dies without leaving is missed after a while. */
  leave(): Promise<void>
}

export interface GroupOptions {
  readonly client: KafkaClient
  readonly group: string
}

const heartbeatApi = apiVersions(
  'ConsumerGroupHeartbeat',
  kafka.consumerGroupHeartbeatV0,
  kafka.consumerGroupHeartbeatV1,
)
const offsetCommitApi = apiVersions('OffsetCommit', kafka.offsetCommitV8, kafka.offsetCommitV9)

type Heartbeat = ReturnType<typeof kafka.consumerGroupHeartbeatV1.parseResponse>
type Assignment = NonNullable<Heartbeat['assignment']>['topicPartitions']

/** How long a member may take to let go of a partition: a batch with its commit. */
const rebalanceTimeoutMs = 120_000
/** Pause after a heartbeat that failed. */
const retryPauseMs = 500
const joining = 0
const leaving = -1

/** Joins nothing yet: only who holds partitions is a member. */
export function joinGroup({ client, group }: GroupOptions): GroupMembership {
  const memberId = client.settings.groupMember ?? randomUUID()
  let topics: ReadonlyMap<string, KafkaTopic> = new Map() // by id
  let subscribed: readonly string[] = []
  let epoch = joining
  let owned: Assignment = []
  /** What the group wants us to own, while it waits for the running batch. */
  let wanted: Assignment | null = null
  let held = false
  let alone = false
  let news = true // whether the next heartbeat has more to say than that we live
  let coordinator: number | null = null
  let timer: NodeJS.Timeout | null = null
  let beating: Promise<void> | null = null
  let closed = false

  async function ask(
    memberEpoch: number,
    said: { readonly names: readonly string[] | null; readonly owned: Assignment | null },
  ) {
    coordinator ??= await client.coordinatorOf(group)
    const timeoutMs = said.names === null ? -1 : rebalanceTimeoutMs
    const names = said.names === null ? null : [...said.names]
    const rest = [null, null, said.owned] as const
    return client.ask(coordinator, heartbeatApi, group, memberId, memberEpoch, null, null, timeoutMs, names, ...rest)
  }

  /** One heartbeat; says what changed since the last one, and hears what the group wants. */
  async function beat(): Promise<void> {
    const tellsAll = news || epoch === joining
    news = false
    try {
      const heard = await ask(epoch, { names: tellsAll ? subscribed : null, owned: tellsAll ? owned : null })
      epoch = heard.memberEpoch
      if (heard.assignment !== null) wanted = heard.assignment.topicPartitions
      schedule(heard.heartbeatIntervalMs)
      if (!held) settle()
    } catch (error) {
      news = true
      recover(error)
    }
  }

  function recover(error: unknown): void {
    const failure = kafkaFailure(`group ${group}`, error)
    const code = failure.context.code
    coordinator = null
    if (code === kafkaError.fencedMemberEpoch || code === kafkaError.unknownMember) {
      // The group has given our partitions away; a running batch will meet the commit rule.
      epoch = joining
      owned = []
      wanted = null
    } else if (!failure.retryable) throw failure
    schedule(retryPauseMs)
  }

  /** Takes what the group wants us to own for what we own, and says so at once. */
  function settle(): void {
    if (wanted === null) return
    owned = wanted
    wanted = null
    news = true
    schedule(0)
  }

  function schedule(delayMs: number): void {
    if (timer !== null) clearTimeout(timer)
    if (closed) return
    timer = setTimeout(() => void beatInTurn().catch(() => {}), delayMs) // told by the next `hold`
    timer.unref()
  }

  function beatInTurn(): Promise<void> {
    beating ??= beat().finally(() => {
      beating = null
    })
    return beating
  }

  async function join(): Promise<void> {
    try {
      await beatInTurn()
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'KAFKA_UNSUPPORTED') throw error
      alone = true // the cluster has no such groups: the commit rule alone keeps processes apart
    }
  }

  return {
    async hold(found) {
      topics = new Map(found.map((topic) => [topic.id, topic]))
      const names = found.map(({ name }) => name).sort()
      const changed = names.join() !== subscribed.join()
      subscribed = names
      news ||= changed
      if (!alone && names.length > 0 && (epoch === joining || changed)) await join()
      if (alone) return null
      held = true
      return namesOf(owned, topics)
    },
    release() {
      held = false
      settle()
    },
    async commitOffsets(end) {
      const byTopic = Map.groupBy(
        [...end].map(([name, offset]) => ({ ...parseSourcePartition(name), offset })),
        ({ topic }) => topic,
      )
      const commits = [...byTopic].map(([name, its]) => ({
        name,
        partitions: its.map(({ partition, offset }) => ({
          partitionIndex: partition,
          committedOffset: offset,
          committedLeaderEpoch: -1,
          committedMetadata: null,
        })),
      }))
      const isMember = epoch > joining
      coordinator ??= await client.coordinatorOf(group)
      const member = isMember ? ([epoch, memberId] as const) : ([-1, ''] as const)
      await client.ask(coordinator, offsetCommitApi, group, ...member, null, commits).catch((error: unknown) => {
        coordinator = null // it may be another by now
        throw error
      })
    },
    async leave() {
      closed = true
      if (timer !== null) clearTimeout(timer)
      if (epoch === joining) return
      await beating?.catch(() => {}) // it would be answered after we left
      await ask(leaving, { names: null, owned: null }).catch(() => {}) // best effort: we are missed after a while
    },
  }
}

function namesOf(assignment: Assignment, topics: ReadonlyMap<string, KafkaTopic>): Set<string> {
  const names = assignment.flatMap(({ topicId, partitions }) => {
    const topic = topics.get(topicId)
    return topic === undefined ? [] : partitions.map((partition) => sourcePartition(topic.name, partition))
  })
  return new Set(names)
}
