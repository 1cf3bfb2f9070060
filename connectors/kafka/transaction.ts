/** One transaction over any topics of a cluster: all of its records count, or none (Kafka design, "Transactions"). */
import * as kafka from '@platformatic/kafka'
import { parseSourcePartition, sourcePartition } from '../records/source-partition.ts'
import { apiVersions, type KafkaClient } from './client.ts'
import { insist } from './insist.ts'
import { awaitSettled, type TopicPartition } from './offsets.ts'
import { askIdentity, type KafkaProducer, kafkaProducer } from './producer.ts'

/** A transaction that has not ended. */
export interface KafkaTransaction extends KafkaProducer {
  /**
   * Ends it, and waits a moment for readers to see that; asked again while the coordinator is busy. After anything
   * thrown the outcome is unknown until the next transaction of the same id begins.
   */
  end(outcome: 'commit' | 'abort'): Promise<void>
}

const addPartitionsApi = apiVersions('AddPartitionsToTxn', kafka.addPartitionsToTxnV3)
const endApi = apiVersions('EndTxn', kafka.endTxnV3, kafka.endTxnV4)

/**
 * Begins a transaction: whoever used the id before is shut out, and what they left open has ended, one way or the
 * other, when this returns.
 */
export async function beginTransaction(client: KafkaClient, id: string): Promise<KafkaTransaction> {
  const identity = await askIdentity(client, id)
  const { producerId, producerEpoch } = identity
  const coordinator = () => client.coordinatorOf(id, 'transaction')
  const joined = new Set<string>()
  let begun = false

  async function join(partitions: ReadonlyMap<string, readonly number[]>): Promise<void> {
    const fresh = [...partitions].map(([name, its]) => ({
      name,
      partitions: its.filter((partition) => !joined.has(sourcePartition(name, partition))),
    }))
    const topics = fresh.filter((topic) => topic.partitions.length > 0)
    if (topics.length === 0) return
    begun = true
    const joining = { transactionalId: id, producerId, producerEpoch, verifyOnly: false, topics }
    await insist(async () => client.ask(await coordinator(), addPartitionsApi, [joining]))
    for (const topic of topics)
      for (const partition of topic.partitions) joined.add(sourcePartition(topic.name, partition))
  }

  return {
    ...kafkaProducer({ client, transaction: { id, identity, join } }),
    async end(outcome) {
      if (!begun) return
      const commits = outcome === 'commit'
      await insist(async () => client.ask(await coordinator(), endApi, id, producerId, producerEpoch, commits))
      await awaitSettled(client, await placesOf(client, joined))
    },
  }
}

async function placesOf(client: KafkaClient, names: ReadonlySet<string>): Promise<TopicPartition[]> {
  const places = [...names].map(parseSourcePartition)
  const topics = await client.topics([...new Set(places.map(({ topic }) => topic))])
  return places.flatMap(({ topic, partition }) => {
    const found = topics.get(topic)
    return found === undefined ? [] : [{ topic: found, partition }]
  })
}
