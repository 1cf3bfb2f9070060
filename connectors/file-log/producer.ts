/** Appends batches of records to topics of the embedded log. */
import type { Clock, Ids } from '../../engine/contracts.ts'
import { type ProducerBatch, producerBatch, rowsByPartition } from '../records/producer-batch.ts'
import { topicNotFound } from './failures.ts'
import { encodeFrame } from './frame-encoder.ts'
import { type Appended, openPartitionWriter, type PartitionWriter } from './partition-writer.ts'
import type { TornTail } from './tail.ts'
import { createTopic, readTopic, type Topic } from './topic.ts'

export { type ProducerBatch, type ProducerRecord, producerBatch } from '../records/producer-batch.ts'
export type { Appended } from './partition-writer.ts'

export interface ProducerOptions {
  /** The folder that holds all topics. */
  readonly dir: string
  readonly clock: Clock
  readonly ids: Ids
  /** With an id, batches are numbered per topic, and sending one again has no effect (see `append`). */
  readonly producerId?: string
  /** Default 64 MiB. */
  readonly segmentBytes?: number
  /** Told of what a crash left at the end of a partition, which is cut off when it is first written to. */
  readonly onTornTail?: (tail: TornTail) => void
}

export interface AppendOptions {
  /**
   * The batch's number, for a producer with an id: higher than that of every batch before it. Default: one more than
   * the highest that the topic has of this producer, so give it to make a batch repeatable across restarts.
   */
  readonly sequence?: bigint
}

/** Appends to the topics of one folder; holds the partitions that it wrote to until it is closed. */
export interface LogProducer {
  /** Creates the topic if it is not there. `CONFIG_INVALID` if it is and has another number of partitions. */
  createTopic(topic: string, partitions: number, options?: { readonly firstOffset?: bigint }): Promise<void>
  /**
   * Writes the batch's records, in their order within each partition; they are on disk when it returns. Per partition
   * all of them are written or none; across partitions a crash or a failure may leave some written. Sending the batch
   * again under the same producer id and sequence then writes only what is missing: exactly once.
   *
   * Records go to the partition they name, else where Kafka's default partitioner puts their key; without a key, round
   * robin, beginning at the sequence number, so that a batch sent again goes the same way.
   *
   * `SOURCE_NOT_FOUND` for a topic that is not there; `STORE_BUSY` (retryable) while another producer holds a partition
   * it needs: a partition is held from the first append to it until `close`. Calls may overlap: they run in turn.
   */
  append(topic: string, batch: ProducerBatch, options?: AppendOptions): Promise<ReadonlyMap<number, Appended>>
  /** A batch of one record whose timestamp is now; see `append`. */
  send(topic: string, record: { readonly key: Uint8Array | null; readonly value: Uint8Array | null }): Promise<void>
  close(): Promise<void>
}

interface OpenTopic {
  readonly topic: Topic
  readonly writers: Map<number, PartitionWriter>
  /** Where keyless records go next when batches are not numbered. */
  turn: number
}

const defaultSegmentBytes = 64 * 1024 * 1024

/** Opens nothing until the first append. */
export async function openProducer(options: ProducerOptions): Promise<LogProducer> {
  const { dir, ids, producerId, segmentBytes = defaultSegmentBytes } = options
  const topics = new Map<string, OpenTopic>()
  let queue: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = queue.then(work)
    queue = result.catch(() => {}) // the caller has the error; the next call begins afresh
    return result
  }

  async function openTopic(name: string): Promise<OpenTopic> {
    const open = topics.get(name)
    if (open !== undefined) return open
    const topic = await readTopic(dir, name)
    if (topic === null) throw topicNotFound(dir, name)
    const fresh = { topic, writers: new Map(), turn: 0 }
    topics.set(name, fresh)
    return fresh
  }

  async function writerFor({ topic, writers }: OpenTopic, partition: number): Promise<PartitionWriter> {
    const open = writers.get(partition)
    if (open !== undefined) return open
    const writer = await openPartitionWriter({ ...options, topic, partition, segmentBytes })
    writers.set(partition, writer)
    return writer
  }

  async function nextSequence(open: OpenTopic, id: string): Promise<bigint> {
    let highest = -1n
    for (let p = 0; p < open.topic.partitions; p += 1) {
      const last = (await writerFor(open, p)).lastSequence(id)
      if (last > highest) highest = last
    }
    return highest + 1n
  }

  async function append(name: string, batch: ProducerBatch, given?: bigint): Promise<ReadonlyMap<number, Appended>> {
    const open = await openTopic(name)
    const sequence = producerId === undefined ? null : (given ?? (await nextSequence(open, producerId)))
    const { partitions } = open.topic
    const firstTurn = sequence === null ? open.turn : Number(sequence % BigInt(partitions))
    const rows = rowsByPartition(batch.columns, partitions, firstTurn)
    open.turn = (open.turn + batch.count()) % partitions
    const stamp = producerId === undefined || sequence === null ? null : { id: producerId, sequence }
    const placed = new Map<number, Appended>()
    for (const [partition, its] of rows) {
      const writer = await writerFor(open, partition)
      const found = stamp === null ? null : writer.find(stamp, its.length)
      if (found !== null) placed.set(partition, found)
    }
    const written = [...rows].map(async ([partition, its]) => {
      if (placed.has(partition)) return
      placed.set(partition, await appendTo(open, partition, encodeFrame(batch.columns, its, stamp)))
    })
    // Every partition is left in peace before anything is thrown: the next append must not meet one at work.
    const settled = await Promise.allSettled(written)
    const failed = settled.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    return placed
  }

  /** After a failed write only opening anew tells what is on disk. */
  async function appendTo({ writers }: OpenTopic, partition: number, frame: Uint8Array): Promise<Appended> {
    const writer = writers.get(partition)!
    try {
      return await writer.append(frame)
    } catch (error) {
      writers.delete(partition)
      await writer.close()
      throw error
    }
  }

  return {
    createTopic: async (name, partitions, more) => {
      await createTopic({ dir, name, partitions, ids, ...more })
    },
    append: (name, batch, more) => inTurn(() => append(name, batch, more?.sequence)),
    send: async (name, record) => {
      const batch = producerBatch()
      batch.add({ ...record, timestampMs: options.clock.nowMs() })
      await inTurn(() => append(name, batch))
    },
    close: () =>
      inTurn(async () => {
        for (const { writers } of topics.values()) {
          for (const writer of writers.values()) await writer.close()
        }
        topics.clear()
      }),
  }
}
