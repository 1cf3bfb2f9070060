/** Writes rows to topics of a cluster, exactly once. */
import { admits } from '../../checkpoints/fence.ts'
import { endOf } from '../../checkpoints/position.ts'
import type { Clock, CommitOutcome, Sink, SinkCommit, SinkPosition } from '../../engine/contracts.ts'
import type { Duckdb } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'
import { faultPoint } from '../../engine/fault-points.ts'
import type { ProducerBatch } from '../records/producer-batch.ts'
import { recordsOf } from '../records/sink-rows.ts'
import type { KafkaClient } from './client.ts'
import { kafkaError } from './failures.ts'
import {
  createPositionTopic,
  type HeldPosition,
  positionRecord,
  positionTopic,
  readHeldPosition,
  readSettledPosition,
} from './sink-position.ts'
import { beginTransaction, type KafkaTransaction } from './transaction.ts'

export interface KafkaSinkOptions {
  readonly client: KafkaClient
  /** Topic of every row; without it each row's column `topic` names one. Topics must exist. */
  readonly topic?: string
  readonly duckdb: () => Promise<Duckdb>
  readonly clock: Clock
}

/**
 * Appends the rows of the input `rows`, in order: columns `key`, `value`, `timestamp` (default: now), `headers` and,
 * without the option, `topic`. Rows and position are one transaction: readers of committed records see all of a batch
 * or nothing. Its id is the pipeline's, so that of two copies the one that came first is shut out by the cluster.
 */
export function kafkaSink(options: KafkaSinkOptions): Sink {
  const { client, topic } = options
  const topicFor = (pipeline: string) => positionTopic(client, pipeline, topic ?? null)
  async function position(pipeline: string): Promise<SinkPosition> {
    const held = await readHeldPosition(client, topicFor(pipeline))
    return { position: held?.position ?? new Map(), fingerprint: held?.fingerprint ?? null }
  }
  return {
    name: topic === undefined ? 'topics of the cluster' : `topic ${topic}`,
    delivery: 'exactly-once',
    position,
    async commit(batch) {
      faultPoint('sink-begin')
      const positions = topicFor(batch.pipeline)
      await createPositionTopic(client, positions)
      const transaction = await beginTransaction(client, positions)
      try {
        return await commitIn(transaction, options, { batch, positions })
      } catch (error) {
        if (isShutOut(error)) return { kind: 'fenced', position: (await position(batch.pipeline)).position }
        throw error
      }
    },
    async close() {}, // the client is the process's
  }
}

interface Commit {
  readonly batch: SinkCommit
  readonly positions: string
}

async function commitIn(
  transaction: KafkaTransaction,
  options: KafkaSinkOptions,
  { batch, positions }: Commit,
): Promise<CommitOutcome> {
  // Read only now: no transaction of this id is open any more, so the newest position is there to be seen.
  const held = await readSettledPosition(options.client, positions)
  if (held?.txnId === batch.txnId) return { kind: 'already-committed', written: { rows: held.rows } }
  const position = held?.position ?? new Map<string, bigint>()
  if (!admits(position, batch.ranges, batch.initial)) return { kind: 'fenced', position }
  const batches = await rowsOf(options, batch)
  const rows = [...batches.values()].reduce((sum, each) => sum + each.count(), 0)
  const moved = new Map([...position, ...endOf(batch.ranges)])
  const record = { position: moved, fingerprint: batch.fingerprint, txnId: batch.txnId, rows }
  try {
    for (const [topic, its] of batches) await transaction.send(topic, its)
    await transaction.send(positions, positionRecord(record satisfies HeldPosition, options.clock.nowMs()))
    faultPoint('store-before-commit')
  } catch (error) {
    await transaction.end('abort').catch(() => {}) // best effort: the next transaction of this id ends it
    throw error
  }
  await transaction.end('commit') // the commit point
  faultPoint('store-after-commit')
  return { kind: 'committed', written: { rows } }
}

async function rowsOf(options: KafkaSinkOptions, batch: SinkCommit): Promise<ReadonlyMap<string, ProducerBatch>> {
  const files = batch.outputs.get('rows') ?? []
  if (files.length === 0) return new Map()
  const { topic, clock } = options
  const duckdb = await options.duckdb()
  return recordsOf(files, { duckdb, nowMs: clock.nowMs(), ...(topic === undefined ? {} : { topic }) })
}

/** Another process has begun a transaction of the same id. */
function isShutOut(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return false
  const { code } = error.context
  return code === kafkaError.producerFenced || code === kafkaError.invalidProducerEpoch
}
