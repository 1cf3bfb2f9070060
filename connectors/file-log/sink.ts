/** Writes rows to topics of the embedded log, exactly once. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { admits } from '../../checkpoints/fence.ts'
import { endOf } from '../../checkpoints/position.ts'
import type { Clock, CommitOutcome, Ids, Sink, SinkCommit, SinkUndo } from '../../engine/contracts.ts'
import type { Duckdb } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import { makeFolder } from '../../engine/make-folder.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { type ProducerBatch, type RecordColumns, rowsByPartition } from '../records/producer-batch.ts'
import { assertNoneRefused, refusedRecords } from '../records/refused-records.ts'
import { shortName } from '../records/short-name.ts'
import { type RefusedRecord, recordsOf } from '../records/sink-rows.ts'
import { topicNotFound } from './failures.ts'
import { maxFrameBytes } from './frame.ts'
import { encodeFrame, type ProducerStamp } from './frame-encoder.ts'
import { acquireLock } from './lock.ts'
import { openPartitionWriter, type PartitionWriter } from './partition-writer.ts'
import {
  prepareTransaction,
  publishTransaction,
  readTransaction,
  type SinkTransaction,
  type TargetFrame,
} from './sink-transaction.ts'
import type { TornTail } from './tail.ts'
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
  /** An existing local folder, for rows that are refused. */
  readonly stagingDir: string
  /** Told of what a crash left at the end of a partition, which is cut off when it is next written to. */
  readonly onTornTail?: (tail: TornTail) => void
}

/** Of what file systems allow, less what is appended to a name: `.draft`, and the owner of a lock. */
const [longestFileName, longestLockName] = [249, 100]

/**
 * Appends the rows of the input `rows`, in order: columns `key`, `value`, `timestamp` (default: now), `headers` and,
 * without the option, `topic`. A record goes where Kafka's default partitioner puts its key.
 *
 * The position and all records of a batch become one file, which is the commit; its records are in their partitions
 * when `commit` returns, or, after a crash in between, when `position` or `commit` is next called for the pipeline.
 * `STORE_BUSY` (retryable) while a producer holds a partition that is needed; nothing is committed then. Refused are records that
 * are larger than a frame may be, and rows that name no topic.
 */
export function fileLogSink(options: FileLogSinkOptions): Sink {
  const { dir, topic } = options
  const folder = join(dir, '_transactions')
  const idOf = (pipeline: string) => `${encodeURIComponent(pipeline).replaceAll('~', '%7E')}@${topic ?? '_'}`
  const pathOf = (pipeline: string) => join(folder, shortName(idOf(pipeline), longestFileName))

  async function settled(pipeline: string): Promise<SinkTransaction | null> {
    const path = pathOf(pipeline)
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
    const lock = await acquireLock(folder, shortName(idOf(pipeline), longestLockName), options.ids)
    try {
      return await work()
    } finally {
      await lock.release()
    }
  }

  async function commit(batch: SinkCommit, ready: Encoded | null): Promise<CommitOutcome> {
    const { pipeline, txnId, fingerprint } = batch
    const before = await settled(pipeline)
    if (before?.txnId === txnId) return { kind: 'already-committed', written: before.written }
    const position = before?.position ?? new Map<string, bigint>()
    if (!admits(position, batch.ranges, batch.initial)) return { kind: 'fenced', position }
    const sequence = (before?.sequence ?? 0n) + 1n
    const { frames, refused } =
      ready?.sequence === sequence ? ready : await encode(options, batch, { id: idOf(pipeline), sequence })
    if (ready === null) assertNoneRefused(nameOf(options), refused)
    const written = { rows: frames.reduce((sum, { count }) => sum + count, 0) }
    const moved = new Map([...position, ...endOf(batch.ranges)])
    // The partitions are taken before the commit, so that a busy one refuses it instead of holding it up afterwards.
    const writers = await openWriters(options, frames)
    try {
      const path = pathOf(pipeline)
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

  /** What is to be written, if the batch is the next one. */
  async function encoded(batch: SinkCommit): Promise<Encoded | null> {
    const before = await readTransaction(pathOf(batch.pipeline))
    if (before?.txnId === batch.txnId || !admits(before?.position ?? new Map(), batch.ranges, batch.initial))
      return null
    return encode(options, batch, { id: idOf(batch.pipeline), sequence: (before?.sequence ?? 0n) + 1n })
  }

  async function takeBack({ pipeline, txnId, ranges }: SinkUndo): Promise<void> {
    const before = await settled(pipeline)
    if (before === null) return
    const moved = ranges.filter(({ sourcePartition, start }) => before.position.get(sourcePartition) !== start)
    if (moved.length === 0) return
    if (moved.some(({ sourcePartition, end }) => before.position.get(sourcePartition) !== end))
      throw new MillraceError('SINK_FAILED', `${nameOf(options)}: the batch cannot be taken back: it is not the newest`)
    const starts = moved.map(({ sourcePartition, start }) => [sourcePartition, start] as const)
    const path = pathOf(pipeline)
    const sequence = before.sequence + 1n
    await prepareTransaction(path, { ...before, sequence, txnId, position: new Map([...before.position, ...starts]) })
    await publishTransaction(path)
  }

  let prepared: { readonly txnId: string; readonly dir: string; readonly ready: Encoded | null } | null = null
  async function abandon(): Promise<void> {
    const dir = prepared?.dir
    prepared = null
    if (dir !== undefined) await rm(dir, { recursive: true, force: true })
  }

  return {
    name: nameOf(options),
    delivery: 'exactly-once',
    async position(pipeline) {
      const newest = await readTransaction(pathOf(pipeline))
      const whole = newest === null || newest.frames.length === 0
      const found = whole ? newest : await locked(pipeline, () => settled(pipeline))
      return { position: found?.position ?? new Map(), fingerprint: found?.fingerprint ?? null }
    },
    async prepare(batch) {
      await abandon()
      const dir = await mkdtemp(join(options.stagingDir, 'log-'))
      prepared = { txnId: batch.txnId, dir, ready: null }
      const ready = await encoded(batch)
      prepared = { txnId: batch.txnId, dir, ready }
      if (ready === null) return []
      const cause = { pipeline: batch.pipeline, step: nameOf(options) }
      const files = filesOf(batch)
      const path = join(dir, 'refused.parquet')
      return (await refusedRecords({ files, refused: ready.refused, duckdb: options.duckdb, cause, path })) ?? []
    },
    abandon,
    async commit(batch) {
      faultPoint('sink-begin')
      const ready = prepared?.txnId === batch.txnId ? prepared.ready : null
      return locked(batch.pipeline, () => commit(batch, ready))
    },
    /** What was sent stays: a log forgets nothing. */
    keepsUndone: true,
    undo: (undo) => locked(undo.pipeline, () => takeBack(undo)),
    close: abandon,
  }
}

function nameOf({ topic }: FileLogSinkOptions): string {
  return topic === undefined ? 'topics of the log' : `topic ${topic}`
}

function filesOf({ outputs }: SinkCommit): readonly ParquetFile[] {
  return outputs.get('rows') ?? []
}

/** The frames of a batch, numbered as the next one. */
interface Encoded {
  readonly sequence: bigint
  readonly frames: readonly TargetFrame[]
  readonly refused: readonly RefusedRecord[]
}

async function encode(options: FileLogSinkOptions, batch: SinkCommit, stamp: ProducerStamp): Promise<Encoded> {
  const { dir, clock } = options
  const { batches, refused } = await recordsOf(filesOf(batch), {
    ...options,
    nowMs: clock.nowMs(),
    async refusals(topics) {
      for (const name of topics) await existing(dir, name)
      return new Map(topics.map((name) => [name, tooLarge]))
    },
  })
  return { sequence: stamp.sequence, frames: await framesOf(dir, batches, stamp), refused }
}

/** Room for all of a frame but its only record's key, value and headers. */
const frameOverhead = 4096

/** Why a record does not fit into any frame. */
function tooLarge({ keys, values, headers }: RecordColumns, row: number): string | null {
  let bytes = frameOverhead + (keys[row]?.length ?? 0) + (values[row]?.length ?? 0)
  for (const [key, value] of headers[row] ?? []) bytes += key.length * 3 + (value?.length ?? 0) + 16
  return bytes <= maxFrameBytes ? null : `is too large for the log: about ${bytes} bytes, at most ${maxFrameBytes}`
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
  stamp: ProducerStamp,
): Promise<TargetFrame[]> {
  const frames: TargetFrame[] = []
  for (const [name, batch] of batches) {
    const { partitions } = await existing(dir, name)
    if (batch.count() === 0) continue
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
  const { dir, segmentBytes = 64 * 1024 * 1024 } = options
  const writers = new Map<string, PartitionWriter>()
  try {
    for (const { topic, partition } of frames) {
      const writer = await openPartitionWriter({
        ...options,
        topic: await existing(dir, topic),
        partition,
        segmentBytes,
      })
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
