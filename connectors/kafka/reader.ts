/** Reads ranges of topics as Arrow tables. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Position, Range, RecordChunk, RecordReader } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import { identityPartition } from '../../engine/identity.ts'
import { identityPosition, parseSourcePartition, topicReplaced } from '../records/source-partition.ts'
import type { KafkaClient, KafkaTopic } from './client.ts'
import { decodeRecords } from './columns.ts'
import { kafkaError, rangeLost, requestFailed, topicMissing } from './failures.ts'
import { type Fetched, fetchApi, fetchArguments } from './fetch.ts'
import { listOffsets } from './offsets.ts'
import { batchHeads, endOffset, settledBatches } from './record-batch.ts'
import { borrowMemory, type RecordMemory } from './record-memory.ts'
import { isCompacted } from './topic-configuration.ts'

export interface KafkaReaderOptions {
  readonly client: KafkaClient
  /** What to do about records that are not kept any more. */
  readonly onDataLoss: 'fail' | 'continue'
  /** Which topics are meant (`<topic>/id`): another one of the same name is refused. Those not named are not checked. */
  readonly identity: Position
}

/** Bytes that one request asks for; with the next one under way, twice this is in memory. */
const fetchBytes = 4 * 2 ** 20
/** Answers without records, from a broker that should have some, before they are taken to be gone. */
const maxEmptyAnswers = 4
const maxAnswersAtEnd = 12
/** Tries to find who leads a partition, a little apart, before the batch is given back. */
const maxLeaderTries = 8
const leaderPauseMs = 250

/**
 * Records of transactions count once they are committed. Offsets that hold no record (compacted away, markers,
 * aborted) are passed over; those that retention took are `SOURCE_RANGE_LOST`, or passed over if so configured.
 */
export function kafkaReader(options: KafkaReaderOptions): RecordReader {
  return {
    async *read(range, limits) {
      if (range.start >= range.end) return
      const reading = await openReading(options, range)
      const memory = borrowMemory()
      try {
        yield* readChunks(reading, memory, limits)
      } finally {
        memory.giveBack()
      }
    },
    async close() {},
  }
}

async function* readChunks(
  reading: Reading,
  memory: RecordMemory,
  { maxBytes, signal }: { readonly maxBytes: number; readonly signal: AbortSignal },
): AsyncGenerator<RecordChunk> {
  const { range } = reading
  let at = range.start
  let left = maxBytes
  let first = true
  let ahead: Promise<Fetched> | null = null
  const { maxUnpackedBytes } = reading.client.settings
  const wanted = { ...reading, end: range.end, ...(maxUnpackedBytes === undefined ? {} : { maxUnpackedBytes }) }
  while (at < range.end && left > 0) {
    signal.throwIfAborted()
    const fetched: Fetched = await (ahead ?? fetchAt(reading, at))
    const records = memory.gather(fetched.pieces)
    const heads = batchHeads(records, reading.place)
    const next: bigint = heads.length > 0 ? endOffset(heads.at(-1)!) : await afterNothing(reading, fetched, at)
    if (heads.length > 0 && next <= at) throw nothingNew(reading, at, next)
    ahead = next < range.end && records.length < left ? inAdvance(reading, next) : null
    for (let settled = settledBatches(records, heads, fetched.aborted, reading.place); ; ) {
      const { table, bytes, taken, fullAt } = decodeRecords(records, settled, {
        ...wanted,
        start: at,
        maxBytes: left,
        first,
      })
      settled = settled.slice(taken)
      const reached = later(at, settled[0]?.baseOffset ?? next)
      at = fullAt ?? (reached < range.end ? reached : range.end)
      left -= bytes
      first &&= table.numRows === 0
      yield { table, end: at }
      if (fullAt !== null || left <= 0) return
      if (settled.length === 0) break
      signal.throwIfAborted()
    }
  }
}

function later(left: bigint, right: bigint): bigint {
  return left > right ? left : right
}

/** A broker that gives what was read already would be asked for ever. */
function nothingNew({ place }: Reading, at: bigint, end: bigint): MillraceError {
  return new MillraceError(
    'KAFKA_REQUEST_FAILED',
    `kafka: ${place}: the broker was asked for records from offset ${at} on and gave some that end before ${end} (see its log)`,
    { retryable: true },
  )
}

/** A range being read. */
interface Reading extends KafkaReaderOptions {
  readonly range: Range
  readonly topic: string
  readonly partition: number
  readonly topicId: string
  /** For messages. */
  readonly place: string
  emptyAnswers: number
}

async function openReading(options: KafkaReaderOptions, range: Range): Promise<Reading> {
  const { topic, partition } = parseSourcePartition(range.sourcePartition)
  const { id } = await topicOf(options.client, topic)
  const meant = options.identity.get(identityPartition(topic))
  if (meant !== undefined && meant !== identityPosition(id)) throw topicReplaced(topic)
  return {
    ...options,
    range,
    topic,
    partition,
    topicId: id,
    place: `topic ${topic} partition ${partition}`,
    emptyAnswers: 0,
  }
}

async function topicOf(client: KafkaClient, name: string): Promise<KafkaTopic> {
  const found = (await client.topics([name])).get(name)
  if (found !== undefined) return found
  throw topicMissing(name)
}

/** Asks before the answer is needed; its failure is told to whoever takes it. */
function inAdvance(reading: Reading, at: bigint): Promise<Fetched> {
  const answer = fetchAt(reading, at)
  answer.catch(() => {}) // nobody may come for it
  return answer
}

/** Asks whoever leads the partition, also when that changes meanwhile. */
async function fetchAt(reading: Reading, at: bigint): Promise<Fetched> {
  const { client, partition, topicId, place } = reading
  const request = fetchArguments({ topicId, partition, offset: at, maxBytes: fetchBytes })
  for (let tries = 1; ; tries += 1) {
    const topic = await topicOf(client, reading.topic)
    if (topic.id !== topicId) throw topicReplaced(reading.topic)
    const leader = topic.leaders[partition] ?? -1
    const fetched = leader < 0 ? null : await client.ask(leader, fetchApi, ...request)
    const code = fetched?.errorCode ?? kafkaError.leaderNotAvailable
    if (fetched !== null && (code === 0 || code === kafkaError.offsetOutOfRange)) return fetched
    client.forget()
    if (!leaderErrors.has(code) || tries === maxLeaderTries)
      throw requestFailed(`reading ${place} at offset ${at}`, code)
    await sleep(leaderPauseMs)
  }
}

/** Whoever was asked does not lead the partition (any more), or knows nothing of it yet. */
const leaderErrors: ReadonlySet<number> = new Set([
  kafkaError.unknownTopicOrPartition,
  kafkaError.leaderNotAvailable,
  kafkaError.notLeader,
  kafkaError.fencedLeaderEpoch,
  kafkaError.unknownLeaderEpoch,
  kafkaError.unknownTopicId,
  kafkaError.inconsistentTopicId,
])

/** Where to go on after an answer without records. */
async function afterNothing(reading: Reading, fetched: Fetched, at: bigint): Promise<bigint> {
  if (fetched.errorCode === kafkaError.offsetOutOfRange) return afterLoss(reading, at)
  if (fetched.throttleMs === 0) reading.emptyAnswers += 1
  const { topic, partition, place, range } = reading
  const ended = fetched.lastStableOffset < range.end // for good, or until a new leader knows how far others are
  if (reading.emptyAnswers < (ended ? maxAnswersAtEnd : maxEmptyAnswers)) return at
  if (ended)
    throw rangeLost({
      topic,
      partition,
      start: at,
      end: range.end,
      why: `the log ends at offset ${fetched.lastStableOffset}`,
    })
  // Only compaction leaves nothing at all behind: there, the end of what is wanted may be such a gap.
  if (await isCompacted(reading.client, topic)) return range.end
  throw new MillraceError(
    'KAFKA_REQUEST_FAILED',
    `kafka: ${place}: the broker gives no records from offset ${at} on, though they end at ${fetched.lastStableOffset} (see its log)`,
    { retryable: true },
  )
}

async function afterLoss(reading: Reading, at: bigint): Promise<bigint> {
  const { client, topic, partition, range, onDataLoss } = reading
  const [earliest] = await listOffsets(client, [{ topic: await topicOf(client, topic), partition }], 'earliest')
  if (earliest === undefined || earliest <= at)
    throw rangeLost({ topic, partition, start: at, end: range.end, why: 'the log ends before it' })
  const end = earliest < range.end ? earliest : range.end
  if (onDataLoss === 'continue') return end
  throw rangeLost({ topic, partition, start: at, end, why: `the earliest kept is ${earliest}` })
}
