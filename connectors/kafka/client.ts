/** One cluster: its brokers, its topics, and requests to whoever is to be asked. */
import * as kafka from '@platformatic/kafka'
import { MillraceError } from '../../engine/errors.ts'
import { errorName, kafkaFailure, protocolCode, requestFailed } from './failures.ts'
import type { KafkaSettings } from './settings.ts'

/** A topic as the cluster describes it. */
export interface KafkaTopic {
  readonly name: string
  /** UUID made when the topic was: a topic of the same name made later has another. */
  readonly id: string
  /** Node that leads each partition; -1 while none does. */
  readonly leaders: readonly number[]
}

/** Whom to ask: a node by its id, or any. */
export type Node = number | 'any'

/** Requests to one cluster; connections are opened when they are first needed. */
export interface KafkaClient {
  readonly settings: KafkaSettings
  /**
   * The named topics, or all there are, by name; those that do not exist are left out. As the cluster says now, or as
   * it said a moment ago.
   */
  topics(names: readonly string[] | null): Promise<ReadonlyMap<string, KafkaTopic>>
  /** Forgets who leads what, so that the next answer is the cluster's own. */
  forget(): void
  /**
   * Asks a node in the newest version of the protocol's API that both it and `versions` know. Throws a
   * {@link MillraceError}: `KAFKA_UNREACHABLE`, `KAFKA_REFUSED`, `KAFKA_REQUEST_FAILED`, `KAFKA_UNSUPPORTED`.
   */
  ask<Args extends unknown[], Response>(node: Node, api: ApiVersions<Args, Response>, ...args: Args): Promise<Response>
  /** The node that coordinates a consumer group or a transactional id. */
  coordinatorOf(name: string, kind?: 'group' | 'transaction'): Promise<number>
  /** The node that changes topics. */
  controller(): Promise<Node>
  close(): Promise<void>
}

/** Implementations of one API, by version. All take the same arguments. */
export interface ApiVersions<Args extends unknown[], Response> {
  /** For messages: `Fetch`. */
  readonly name: string
  readonly key: number
  readonly versions: ReadonlyMap<number, kafka.API<Args, Response>>
}

/** Gathers the versions of one API. */
export function apiVersions<Args extends unknown[], Response>(
  name: string,
  ...apis: readonly { readonly api: kafka.API<Args, Response> }[]
): ApiVersions<Args, Response> {
  return { name, key: apis[0]!.api.key, versions: new Map(apis.map(({ api }) => [api.version, api])) }
}

const metadataApi = apiVersions('Metadata', kafka.metadataV10, kafka.metadataV11, kafka.metadataV12)
type MetadataResponse = ReturnType<typeof kafka.metadataV12.parseResponse>

const coordinatorApi = apiVersions(
  'FindCoordinator',
  kafka.findCoordinatorV4,
  kafka.findCoordinatorV5,
  kafka.findCoordinatorV6,
)

/** How long what is known of topics is believed. */
const metadataAgeMs = 5_000
const connectTimeoutMs = 5_000
/** A broker that has not answered by then hangs. */
const requestTimeoutMs = 20_000

/** Opens nothing yet. */
export function openKafkaClient(settings: KafkaSettings): KafkaClient {
  const pool = new kafka.ConnectionPool(settings.clientId, connectionOptions(settings))
  const bootstrap = settings.brokers.map(parseBroker)
  let nodes = new Map<number, kafka.Broker>()
  let known: { readonly topics: ReadonlyMap<string, KafkaTopic>; readonly all: boolean; readonly atMs: number } | null =
    null
  const versionsOf = new WeakMap<kafka.Connection, ReadonlyMap<number, number>>()

  async function connectionTo(node: Node): Promise<kafka.Connection> {
    const broker = node === 'any' ? undefined : nodes.get(node)
    try {
      if (broker !== undefined) return await pool.get(broker)
      return await pool.getFirstAvailable([...bootstrap, ...nodes.values()])
    } catch (error) {
      throw kafkaFailure(`connecting to ${formatBrokers(broker === undefined ? bootstrap : [broker])}`, error)
    }
  }

  async function pick<Args extends unknown[], Response>(
    connection: kafka.Connection,
    api: ApiVersions<Args, Response>,
  ): Promise<kafka.API<Args, Response>> {
    let newest = versionsOf.get(connection)
    if (newest === undefined) {
      const { apiKeys } = await kafka.apiVersionsV3.api.async(connection, 'millrace', '0.1.0')
      newest = new Map(apiKeys.map(({ apiKey, maxVersion }) => [apiKey, maxVersion]))
      versionsOf.set(connection, newest)
    }
    const offered = newest.get(api.key) ?? -1
    const version = [...api.versions.keys()].filter((each) => each <= offered).sort((a, b) => b - a)[0]
    if (version !== undefined) return api.versions.get(version)!
    throw new MillraceError(
      'KAFKA_UNSUPPORTED',
      `kafka: the broker at ${connection.host}:${connection.port} is too old: it has no ${api.name} request in version ${Math.min(...api.versions.keys())} (Kafka 3.5 or newer is needed)`,
    )
  }

  async function ask<Args extends unknown[], Response>(
    node: Node,
    api: ApiVersions<Args, Response>,
    ...args: Args
  ): Promise<Response> {
    const connection = await connectionTo(node)
    try {
      return await (await pick(connection, api)).async(connection, ...args)
    } catch (error) {
      known = null // who leads what may have changed
      throw kafkaFailure(`${api.name} request to ${connection.host}:${connection.port}`, error)
    }
  }

  async function loadTopics(names: readonly string[] | null): Promise<ReadonlyMap<string, KafkaTopic>> {
    const answer = await askLeniently(names)
    nodes = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
    const topics = new Map<string, KafkaTopic>()
    for (const topic of answer.topics) {
      if (topic.name === null || topic.name === undefined || topic.isInternal) continue
      if (missingTopic.has(errorName(topic.errorCode))) continue
      if (topic.errorCode !== 0) throw requestFailed(`topic ${topic.name}`, topic.errorCode)
      topics.set(topic.name, { name: topic.name, id: topic.topicId, leaders: leadersOf(topic) })
    }
    return topics
  }

  /** The client throws if any topic has an error, with the answer in the error. */
  async function askLeniently(names: readonly string[] | null): Promise<MetadataResponse> {
    const connection = await connectionTo('any')
    try {
      const api = await pick(connection, metadataApi)
      return await api.async(connection, names === null ? null : [...names], false, false)
    } catch (error) {
      const { response } = error as { response?: MetadataResponse }
      if (protocolCode(error) !== null && response !== undefined) return response
      throw kafkaFailure(`asking ${connection.host}:${connection.port} for topics`, error)
    }
  }

  return {
    settings,
    ask,
    async topics(names) {
      const fresh = known !== null && performance.now() - known.atMs < metadataAgeMs
      const covered = known?.all === true || names?.every((name) => known?.topics.has(name)) === true
      if (!fresh || !covered) known = { topics: await loadTopics(names), all: names === null, atMs: performance.now() }
      const { topics } = known!
      if (names === null) return topics
      return new Map(names.flatMap((name) => (topics.has(name) ? [[name, topics.get(name)!]] : [])))
    },
    forget() {
      known = null
    },
    async coordinatorOf(name, kind = 'group') {
      if (nodes.size === 0) await loadTopics([])
      const { coordinators } = await ask('any', coordinatorApi, kind === 'group' ? 0 : 1, [name])
      const [found] = coordinators
      if (found === undefined || found.errorCode !== 0)
        throw requestFailed(`looking for the coordinator of ${kind} ${name}`, found?.errorCode ?? -1)
      nodes.set(found.nodeId, { host: found.host, port: found.port })
      return found.nodeId
    },
    async controller() {
      const { brokers, controllerId } = await askLeniently([])
      for (const { nodeId, host, port } of brokers) nodes.set(nodeId, { host, port })
      return nodes.has(controllerId) ? controllerId : 'any'
    },
    close: () => pool.close(),
  }
}

const missingTopic: ReadonlySet<string> = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID'])

function leadersOf({ partitions }: MetadataResponse['topics'][number]): number[] {
  const leaders: number[] = []
  for (const { partitionIndex, leaderId } of partitions) leaders[partitionIndex] = leaderId
  return leaders
}

/** What the client's own classes need to connect. */
export function connectionOptions({ tls, sasl }: KafkaSettings): kafka.ConnectionOptions {
  const { ca, cert, key } = tls ?? { ca: null, cert: null, key: null }
  return {
    connectTimeout: connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
    ...(tls === null
      ? {}
      : {
          tls: {
            ...(ca === null ? {} : { ca }),
            ...(cert === null ? {} : { cert }),
            ...(key === null ? {} : { key }),
          },
          tlsServerName: true,
        }),
    ...(sasl === null ? {} : { sasl }),
  }
}

function parseBroker(address: string): kafka.Broker {
  const colon = address.lastIndexOf(':')
  return colon < 0
    ? { host: address, port: 9092 }
    : { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }
}

function formatBrokers(brokers: readonly kafka.Broker[]): string {
  return brokers.map(({ host, port }) => `${host}:${port}`).join(', ')
}
