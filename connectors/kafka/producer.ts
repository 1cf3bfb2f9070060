/** Sends batches of records to topics, each record once. */
import { setTimeout as sleep } from 'node:timers/promises'
import * as kafka from '@platformatic/kafka'
import { MillraceError } from '../../engine/errors.ts'
import { type ProducerBatch, type RecordColumns, rowsByPartition } from '../records/producer-batch.ts'
import { apiVersions, type KafkaClient, type KafkaTopic } from './client.ts'
import { kafkaError, requestFailed, topicMissing } from './failures.ts'
import { insist } from './insist.ts'
import { produceApi } from './produce.ts'
import { headBytes } from './record-batch.ts'
import { encodeBatch, encodedBytes } from './record-batch-encoder.ts'

/** A producer's number with the cluster, which tells its batches from those of others. */
export interface ProducerIdentity {
  readonly producerId: bigint
  readonly producerEpoch: number
}

export interface KafkaProducerOptions {
  readonly client: KafkaClient
  /** Default `none`. */
  readonly compression?: kafka.CompressionAlgorithmValue
  /** Of a transaction under way: its records count when that is committed. */
  readonly transaction?: {
    readonly id: string
    readonly identity: ProducerIdentity
    /** Called with partitions before the first record goes to each. */
    join(partitions: ReadonlyMap<string, readonly number[]>): Promise<void>
  }
}

/** Sends to any topics of one cluster. */
export interface KafkaProducer {
  /**
   * Sends the batch's records, in their order within each partition; all replicas in sync have them when it returns.
   * A record goes to the partition that it names, else where Kafka's default partitioner puts its key, else to one after
   * another. `SOURCE_NOT_FOUND` for a topic that is not there. After anything thrown some records may have been written.
   * @param limitBytes of a record batch in the topic, where that is known; a record that is larger goes alone
   */
  send(topic: string, batch: ProducerBatch, limitBytes?: number): Promise<void>
}

const initProducerApi = apiVersions('InitProducerId', kafka.initProducerIdV4, kafka.initProducerIdV5)

/** Bytes of a record batch before it is cut: under what brokers take unless told otherwise (`message.max.bytes`). */
const batchBytes = 900_000
/** Bytes of a request: brokers take 100 MiB unless told otherwise (`socket.request.max.bytes`). */
const roundBytes = 32 * 2 ** 20
const maxTries = 20
const pauseMs = 250

/** An idempotent producer: what is sent again because an answer got lost is written once. */
export function kafkaProducer(options: KafkaProducerOptions): KafkaProducer {
  const { client, compression = 'none', transaction } = options
  let identity: ProducerIdentity | null = transaction?.identity ?? null
  const sequences = new Map<string, number>()
  let turn = 0

  async function sendRound(topic: KafkaTopic, columns: RecordColumns, round: Round): Promise<void> {
    identity ??= await askIdentity(client, null)
    const batches = [...round].map(([partition, rows]) => {
      const sequence = sequences.get(`${topic.name}/${partition}`) ?? 0
      const stamp = { ...identity!, sequence, transactional: transaction !== undefined, compression }
      sequences.set(`${topic.name}/${partition}`, (sequence + rows.length) % 0x8000_0000)
      return { partition, bytes: encodeBatch(columns, rows, stamp) }
    })
    await sendBatches({ client, topic: topic.name, transactionId: transaction?.id ?? null }, batches)
  }

  return {
    async send(name, batch, limitBytes = batchBytes) {
      const topic = (await client.topics([name])).get(name)
      if (topic === undefined) throw topicMissing(name)
      const rows = rowsByPartition(batch.columns, topic.leaders.length, turn)
      turn = (turn + batch.count()) % topic.leaders.length
      await transaction?.join(new Map([[name, [...rows.keys()]]]))
      const most = Math.min(batchBytes, limitBytes - headBytes)
      for (const round of rounds(batch.columns, rows, most)) await sendRound(topic, batch.columns, round)
    },
  }
}

/** Asks the cluster for a number; with a transactional id, whoever had one under it before is shut out. */
export async function askIdentity(client: KafkaClient, transactionId: string | null): Promise<ProducerIdentity> {
  return insist(async () => {
    const node = transactionId === null ? 'any' : await client.coordinatorOf(transactionId, 'transaction')
    return client.ask(node, initProducerApi, transactionId, transactionTimeoutMs)
  })
}

/** A transaction whose producer is gone is aborted after this long; until then readers wait at its first record. */
const transactionTimeoutMs = 60_000

type Round = ReadonlyMap<number, readonly number[]>

/** The rows of all partitions, cut into batches; a request has one batch a partition. */
function* rounds(columns: RecordColumns, rows: ReadonlyMap<number, readonly number[]>, most: number): Generator<Round> {
  const left = new Map([...rows].map(([partition, its]) => [partition, { its, at: 0 }]))
  while (left.size > 0) {
    const round = new Map<number, readonly number[]>()
    let bytes = 0
    for (const [partition, queue] of left) {
      const batch = batchEnd(columns, queue, most)
      if (round.size > 0 && bytes + batch.bytes > roundBytes) break
      bytes += batch.bytes
      round.set(partition, queue.its.slice(queue.at, batch.end))
      queue.at = batch.end
      if (batch.end === queue.its.length) left.delete(partition)
    }
    yield round
  }
}

/** Where a batch that begins at `at` ends, and about how many bytes it has: one record at least. */
function batchEnd(
  columns: RecordColumns,
  { its, at }: { readonly its: readonly number[]; readonly at: number },
  most: number,
): { readonly end: number; readonly bytes: number } {
  let bytes = 0
  let end = at
  while (end < its.length) {
    const more = encodedBytes(columns, its[end]!)
    if (bytes + more > most && end > at) break
    bytes += more
    end += 1
  }
  return { end, bytes }
}

interface Target {
  readonly client: KafkaClient
  readonly topic: string
  readonly transactionId: string | null
}

interface PartitionBatch {
  readonly partition: number
  readonly bytes: Buffer
}

/** Sends until every batch is acknowledged, to whoever leads its partition by then. */
async function sendBatches(target: Target, batches: readonly PartitionBatch[]): Promise<void> {
  let left = batches
  for (let tries = 1; left.length > 0; tries += 1) {
    const topic = (await target.client.topics([target.topic])).get(target.topic)
    if (topic === undefined) throw topicMissing(target.topic)
    const byLeader = Map.groupBy(left, ({ partition }) => topic.leaders[partition] ?? -1)
    const ends = await Promise.all([...byLeader].map(([leader, its]) => sendTo(target, leader, its)))
    const failed = ends.flat()
    left = failed.map(({ batch }) => batch)
    const worst = failed.find(({ error }) => !error.retryable) ?? failed[0]
    if (worst === undefined) return
    if (!worst.error.retryable || tries === maxTries) throw worst.error
    target.client.forget()
    await sleep(pauseMs)
  }
}

interface FailedBatch {
  readonly batch: PartitionBatch
  readonly error: MillraceError
}

/** Those that were not acknowledged. */
async function sendTo(target: Target, leader: number, batches: readonly PartitionBatch[]): Promise<FailedBatch[]> {
  const { client, topic, transactionId } = target
  const failAll = (error: MillraceError) => batches.map((batch) => ({ batch, error }))
  if (leader < 0) return failAll(requestFailed(`writing to topic ${topic}`, kafkaError.leaderNotAvailable))
  try {
    const codes = await client.ask(leader, produceApi, { topic, transactionId, batches })
    return batches.flatMap((batch) => {
      const code = codes.get(batch.partition) ?? 0
      if (code === 0 || code === kafkaError.duplicateSequence) return [] // a broker that has it says so
      return [{ batch, error: requestFailed(`writing to topic ${topic} partition ${batch.partition}`, code) }]
    })
  } catch (error) {
    if (error instanceof MillraceError) return failAll(error)
    throw error
  }
}
