/** Writes rows to topics of a cluster, exactly once. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { admits } from '../../checkpoints/fence.ts'
import { endOf } from '../../checkpoints/position.ts'
import type { Clock, CommitOutcome, Sink, SinkCommit, SinkPosition } from '../../engine/contracts.ts'
import type { Duckdb } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { assertNoneRefused, refusedRecords } from '../records/refused-records.ts'
import { type RefusedRecord, recordsOf, type SinkRows } from '../records/sink-rows.ts'
import type { KafkaClient } from './client.ts'
import { kafkaError, topicMissing } from './failures.ts'
import {
  createPositionTopic,
  type HeldPosition,
  positionRecord,
  positionTopic,
  readHeldPosition,
  readSettledPosition,
  refuseCutName,
} from './sink-position.ts'
import { refusesBeyond, type TopicLimits, topicLimits } from './topic-limits.ts'
import { beginTransaction, type KafkaTransaction } from './transaction.ts'

export interface KafkaSinkOptions {
  readonly client: KafkaClient
  /** Topic of every row; without it each row's column `topic` names one. Topics must exist. */
  readonly topic?: string
  readonly duckdb: () => Promise<Duckdb>
  readonly clock: Clock
  /** An existing local folder, for rows that are refused. */
  readonly stagingDir: string
}

/**
 * Appends the rows of the input `rows`, in order: columns `key`, `value`, `timestamp` (default: now), `headers` and,
 * without the option, `topic`. Rows and position are one transaction: readers of committed records see all of a batch
 * or nothing. Its id is the pipeline's, so that of two copies the one that came first is shut out by the cluster. The records are sent
 * when the batch is prepared, and refused are those that the topic's settings do not allow.
 */
export function kafkaSink(options: KafkaSinkOptions): Sink {
  const { client, topic } = options
  const topicFor = (pipeline: string) => positionTopic(client, pipeline, topic ?? null)
  let prepared: Prepared | null = null
  async function position(pipeline: string): Promise<SinkPosition> {
    await refuseCutName(client, pipeline, topic ?? null)
    const held = await readHeldPosition(client, topicFor(pipeline))
    return { position: held?.position ?? new Map(), fingerprint: held?.fingerprint ?? null }
  }
  async function fencedIfShutOut(batch: SinkCommit, work: () => Promise<Sent>): Promise<Sent> {
    try {
      return await work()
    } catch (error) {
      if (!isShutOut(error)) throw error
      return { outcome: { kind: 'fenced', position: (await position(batch.pipeline)).position } }
    }
  }
  async function abandon(): Promise<void> {
    const before = prepared
    prepared = null
    if (before === null) return
    if (before.sent.outcome === null) await before.sent.transaction.end('abort').catch(() => {}) // the next one of this id ends it
    await rm(before.dir, { recursive: true, force: true })
  }
  return {
    name: nameOf(options),
    delivery: 'exactly-once',
    position,
    async prepare(batch) {
      await abandon()
      const dir = await mkdtemp(join(options.stagingDir, 'kafka-'))
      prepared = { txnId: batch.txnId, dir, sent: { outcome: { kind: 'conflict', message: 'nothing was sent' } } }
      const sent = await fencedIfShutOut(batch, () => send(options, batch, topicFor(batch.pipeline)))
      prepared = { txnId: batch.txnId, dir, sent }
      if (sent.outcome !== null || sent.refused.length === 0) return []
      const cause = { pipeline: batch.pipeline, step: nameOf(options) }
      const files = filesOf(batch)
      const duckdb = await options.duckdb()
      const refused = { files, refused: sent.refused, duckdb, cause, path: join(dir, 'refused.parquet') }
      return (await refusedRecords(refused)) ?? []
    },
    abandon,
    async commit(batch) {
      faultPoint('sink-begin')
      if (prepared?.txnId !== batch.txnId) await abandon()
      const sent =
        prepared?.sent ?? (await fencedIfShutOut(batch, () => send(options, batch, topicFor(batch.pipeline), true)))
      if (sent.outcome !== null) return sent.outcome
      const ended = await fencedIfShutOut(batch, async () => ({ outcome: await end(sent, options, batch) }))
      if (prepared !== null) prepared = { ...prepared, sent: ended } // nothing is left to abort
      return ended.outcome!
    },
    /** What was sent stays: a log forgets nothing. */
    keepsUndone: true,
    async undo(undo) {
      const positions = topicFor(undo.pipeline)
      const transaction = await beginTransaction(client, positions)
      const held = await readSettledPosition(client, positions)
      if (held === null) return
      const moved = undo.ranges.filter(({ sourcePartition, start }) => held.position.get(sourcePartition) !== start)
      if (moved.length === 0) return
      if (moved.some(({ sourcePartition, end: at }) => held.position.get(sourcePartition) !== at))
        throw new MillraceError(
          'SINK_FAILED',
          `${nameOf(options)}: the batch cannot be taken back: it is not the newest`,
        )
      const back = new Map([
        ...held.position,
        ...moved.map(({ sourcePartition, start }) => [sourcePartition, start] as const),
      ])
      const record = { ...held, position: back, txnId: undo.txnId, rows: 0 }
      await transaction.send(positions, positionRecord(record, options.clock.nowMs()))
      await transaction.end('commit')
    },
    close: abandon, // the client is the process's
  }
}

function nameOf({ topic }: KafkaSinkOptions): string {
  return topic === undefined ? 'topics of the cluster' : `topic ${topic}`
}

function filesOf({ outputs }: SinkCommit): readonly ParquetFile[] {
  return outputs.get('rows') ?? []
}

/** A transaction in which all records are, or why there is none. */
type Sent =
  | { readonly outcome: CommitOutcome }
  | {
      readonly outcome: null
      readonly transaction: KafkaTransaction
      readonly positions: string
      readonly held: HeldPosition | null
      readonly rows: number
      readonly refused: readonly RefusedRecord[]
    }

interface Prepared {
  readonly txnId: string
  readonly dir: string
  readonly sent: Sent
}

/** Sends the records of a batch. What it throws has ended the transaction. */
async function send(options: KafkaSinkOptions, batch: SinkCommit, positions: string, whole = false): Promise<Sent> {
  const { client } = options
  await createPositionTopic(client, positions)
  const transaction = await beginTransaction(client, positions)
  // Read only now: no transaction of this id is open any more, so the newest position is there to be seen.
  const held = await readSettledPosition(client, positions)
  if (held?.txnId === batch.txnId) return { outcome: { kind: 'already-committed', written: { rows: held.rows } } }
  const position = held?.position ?? new Map<string, bigint>()
  if (!admits(position, batch.ranges, batch.initial)) return { outcome: { kind: 'fenced', position } }
  const limits = new Map<string, TopicLimits>()
  const { batches, refused } = await recordsIn(options, batch, limits)
  if (whole) assertNoneRefused(nameOf(options), refused)
  const rows = [...batches.values()].reduce((sum, each) => sum + each.count(), 0)
  try {
    for (const [topic, its] of batches)
      if (its.count() > 0) await transaction.send(topic, its, limits.get(topic)?.batchBytes)
  } catch (error) {
    await transaction.end('abort').catch(() => {}) // best effort: the next transaction of this id ends it
    throw error
  }
  return { outcome: null, transaction, positions, held, rows, refused }
}

async function recordsIn(
  options: KafkaSinkOptions,
  batch: SinkCommit,
  limits: Map<string, TopicLimits>,
): Promise<SinkRows> {
  const files = filesOf(batch)
  if (files.length === 0) return { batches: new Map(), refused: [] }
  const { client, topic, clock } = options
  return recordsOf(files, {
    duckdb: await options.duckdb(),
    nowMs: clock.nowMs(),
    ...(topic === undefined ? {} : { topic }),
    async refusals(topics) {
      const there = await client.topics(topics)
      for (const name of topics) {
        if (!there.has(name)) throw topicMissing(name)
        limits.set(name, await topicLimits(client, name, clock.nowMs()))
      }
      return new Map([...limits].map(([name, its]) => [name, refusesBeyond(its)]))
    },
  })
}

async function end(
  { transaction, positions, held, rows }: Extract<Sent, { outcome: null }>,
  { clock }: KafkaSinkOptions,
  batch: SinkCommit,
): Promise<CommitOutcome> {
  const moved = new Map([...(held?.position ?? []), ...endOf(batch.ranges)])
  const record = { position: moved, fingerprint: batch.fingerprint, txnId: batch.txnId, rows }
  try {
    await transaction.send(positions, positionRecord(record satisfies HeldPosition, clock.nowMs()))
    faultPoint('store-before-commit')
  } catch (error) {
    await transaction.end('abort').catch(() => {}) // best effort: the next transaction of this id ends it
    throw error
  }
  await transaction.end('commit') // the commit point
  faultPoint('store-after-commit')
  return { kind: 'committed', written: { rows } }
}

/** Another process has begun a transaction of the same id. */
function isShutOut(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return false
  const { code } = error.context
  return code === kafkaError.producerFenced || code === kafkaError.invalidProducerEpoch
}
