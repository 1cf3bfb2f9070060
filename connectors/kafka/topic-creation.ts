/** Making topics. */
import * as kafka from '@platformatic/kafka'
import { MillraceError } from '../../engine/errors.ts'
import { apiVersions, type KafkaClient } from './client.ts'
import { kafkaError, requestFailed } from './failures.ts'
import { insist } from './insist.ts'
import { listOffsets, partitionsOf } from './offsets.ts'

export interface NewTopic {
  readonly name: string
  readonly partitions: number
  /** Kafka's own names and values (`cleanup.policy`, ...); the rest is the cluster's default. */
  readonly configuration?: Readonly<Record<string, string>>
}

const createTopicsApi = apiVersions('CreateTopics', kafka.createTopicsV5, kafka.createTopicsV6, kafka.createTopicsV7)
const timeoutMs = 15_000
/** As many replicas as the cluster makes by default. */
const defaultReplicas = -1

/** Creates the topics that are not there; one that is keeps its partitions. */
export async function createMissingTopics(client: KafkaClient, topics: readonly NewTopic[]): Promise<void> {
  const there = await client.topics(topics.map(({ name }) => name))
  const missing = topics.filter(({ name }) => !there.has(name))
  if (missing.length === 0) return
  for (const topic of missing) await createTopic(client, topic)
  await insist(() => awaitLeaders(client, missing))
}

/** A topic is made before its partitions can be written to. */
async function awaitLeaders(client: KafkaClient, topics: readonly NewTopic[]): Promise<void> {
  client.forget()
  const found = await client.topics(topics.map(({ name }) => name))
  for (const { name } of topics)
    if (!found.has(name)) throw requestFailed(`creating topic ${name}`, kafkaError.unknownTopicOrPartition)
  await listOffsets(client, partitionsOf(found), 'latest')
}

async function createTopic(client: KafkaClient, { name, partitions, configuration = {} }: NewTopic): Promise<void> {
  const configs = Object.entries(configuration).map(([key, value]) => ({ name: key, value }))
  const request = { name, numPartitions: partitions, replicationFactor: defaultReplicas, assignments: [], configs }
  try {
    await client.ask(await client.controller(), createTopicsApi, [request], timeoutMs, false)
  } catch (error) {
    const code = error instanceof MillraceError ? error.context.code : null
    if (code === kafkaError.topicAlreadyExists) return // somebody else was faster
    if (typeof code === 'number') throw requestFailed(`creating topic ${name}`, code)
    throw error
  }
}
