/** Writes rows to topics of the embedded log, exactly once. */
import { join } from 'node:path'
import { admits } from '../../checkpoints/fence.ts'
import { endOf } from '../../checkpoints/position.ts'
import type { Clock, CommitOutcome, Ids, Sink, SinkCommit } from '../../engine/contracts.ts'
import type { Duckdb } from '../../engine/duckdb.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import { makeFolder } from '../../engine/make-folder.ts'
import { type ProducerBatch, rowsByPartition } from '../records/producer-batch.ts'
import { recordsOf } from '../records/sink-rows.ts'
import { topicNotFound } from './failures.ts'
import { encodeFrame } from './frame-encoder.ts'
import { acquireLock } from './lock.ts'
import { openPartitionWriter, type PartitionWriter } from './partition-writer.ts'
import {
  prepareTransaction,
  publishTransaction,
  readTransaction,
  type SinkTransaction,
  type TargetFrame,
} from './sink-transaction.ts'
import { readTopic, type Topic } from './topic.ts'

export interface FileLogSinkOptions {
  /** The folder that holds all topics. */
  readonly dir: string
  /** Topic of every row; without it each row's column `topic` names one. Topics must exist. */
  readonly topic?: string
  readonly duckdb: Duckdb
  readonly clock: Clock
  readonly ids: Ids
  /** Default 64 MiB. */
  readonly segmentBytes?: number
}

/**
 * Appends the rows of the input `rows`, in order: columns `key`, `value`, `timestamp` (default: now), `headers` and,
 * without the option, `topic`. A record goes where Kafka's default partitioner puts its key.
 *
 * The position and all records of a batch become one file, which is the commit; its records are in their partitions
 * when `commit` returns, or, after a crash in between, when `position` or `commit` is next called for the pipeline.
 * `STORE_BUSY` (retryable) while a producer holds a partition that is needed; nothing is committed then.
 */
export function fileLogSink(options: FileLogSinkOptions): Sink {
  const { dir, topic } = options
  const folder = join(dir, '_transactions')
  const idOf = (pipeline: string) => `${encodeURIComponent(pipeline).replaceAll('~', '%7E')}@${topic ?? '_'}`

  async function settled(pipeline: string): Promise<SinkTransaction | null> {
    const path = join(folder, idOf(pipeline))
    const transaction = await readTransaction(path)
    if (transaction === null || transaction.frames.length === 0) return transaction
    const writers = await openWriters(options, transaction.frames)
    try {
      return await deliver(path, idOf(pipeline), transaction, writers)
    } finally {
      await closeAll(writers)
    }
  }

  async function locked<T>(pipeline: string, work: () => Promise<T>): Promise<T> {
    await makeFolder(folder)
    const lock = await acquireLock(folder, idOf(pipeline), options.ids)
    try {
      return await work()
    } finally {
      await lock.release()
    }
  }

  async function commit(batch: SinkCommit): Promise<CommitOutcome> {
    const { pipeline, txnId, fingerprint } = batch
    const before = await settled(pipeline)
    if (before?.txnId === txnId) return { kind: 'already-committed', written: before.written }
    const position = before?.position ?? new Map<string, bigint>()
    if (!admits(position, batch.ranges, batch.initial)) return { kind: 'fenced', position }
    const sequence = (before?.sequence ?? 0n) + 1n
    const rows = await recordsOf(batch.outputs.get('rows') ?? [], { ...options, nowMs: options.clock.nowMs() })
    const frames = await framesOf(dir, rows, { id: idOf(pipeline), sequence })
    const written = { rows: frames.reduce((sum, { count }) => sum + count, 0) }
    const moved = new Map([...position, ...endOf(batch.ranges)])
    // The partitions are taken before the commit, so that a busy one refuses it instead of holding it up afterwards.
    const writers = await openWriters(options, frames)
    try {
      const path = join(folder, idOf(pipeline))
      const transaction = { sequence, txnId, fingerprint, position: moved, written, frames }
      await prepareTransaction(path, transaction)
      faultPoint('store-before-commit')
      await publishTransaction(path)
      faultPoint('store-after-commit')
      await deliver(path, idOf(pipeline), transaction, writers)
    } finally {
      await closeAll(writers)
    }
    return { kind: 'committed', written }
  }

  return {
    name: topic === undefined ? 'topics of the log' : `topic ${topic}`,
    delivery: 'exactly-once',
    async position(pipeline) {
      const newest = await readTransaction(join(folder, idOf(pipeline)))
      const whole = newest === null || newest.frames.length === 0
      const found = whole ? newest : await locked(pipeline, () => settled(pipeline))
      return { position: found?.position ?? new Map(), fingerprint: found?.fingerprint ?? null }
    },
    async commit(batch) {
      faultPoint('sink-begin')
      return locked(batch.pipeline, () => commit(batch))
    },
    async close() {},
  }
}

/** Appends what is not in its partition yet, then notes that nothing is left to do. */
async function deliver(
  path: string,
  id: string,
  transaction: SinkTransaction,
  writers: ReadonlyMap<string, PartitionWriter>,
): Promise<SinkTransaction> {
  for (const { topic, partition, count, frame } of transaction.frames) {
    const writer = writers.get(`${topic}/${partition}`)!
    if (writer.find({ id, sequence: transaction.sequence }, count) === null) await writer.append(frame)
  }
  const delivered = { ...transaction, frames: [] }
  await prepareTransaction(path, delivered)
  await publishTransaction(path)
  return delivered
}

async function framesOf(
  dir: string,
  batches: ReadonlyMap<string, ProducerBatch>,
  stamp: { readonly id: string; readonly sequence: bigint },
): Promise<TargetFrame[]> {
  const frames: TargetFrame[] = []
  for (const [name, batch] of batches) {
    const { partitions } = await existing(dir, name)
    const rows = rowsByPartition(batch.columns, partitions, Number(stamp.sequence % BigInt(partitions)))
    for (const [partition, its] of rows) {
      frames.push({ topic: name, partition, count: its.length, frame: encodeFrame(batch.columns, its, stamp) })
    }
  }
  return frames
}

async function openWriters(
  options: FileLogSinkOptions,
  frames: readonly TargetFrame[],
): Promise<ReadonlyMap<string, PartitionWriter>> {
  const { dir, ids, segmentBytes = 64 * 1024 * 1024 } = options
  const writers = new Map<string, PartitionWriter>()
  try {
    for (const { topic, partition } of frames) {
      const writer = await openPartitionWriter({ topic: await existing(dir, topic), partition, segmentBytes, ids })
      writers.set(`${topic}/${partition}`, writer)
    }
  } catch (error) {
    await closeAll(writers)
    throw error
  }
  return writers
}

async function closeAll(writers: ReadonlyMap<string, PartitionWriter>): Promise<void> {
  for (const writer of writers.values()) await writer.close()
}

async function existing(dir: string, name: string): Promise<Topic> {
  const topic = await readTopic(dir, name)
  if (topic === null) throw topicNotFound(dir, name)
  return topic
}
