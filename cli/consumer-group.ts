/** Names of consumer groups. */
import { storeIdentity } from '../connectors/storage/identity.ts'
import { localStore } from '../connectors/storage/local.ts'
import type { ObjectStore, SinkDescription } from '../engine/contracts.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import type { Place } from './place.ts'

/** What a group's name is made of. */
export type GroupOwner = Pick<Pipeline, 'name' | 'sinks'>

/**
 * The group of those who read for one and the same place: each lake gets every record, and so does each data directory whose own stores
 * are written. Who writes only to services shares the work with all who do so under the pipeline's name, since the position is
 * there.
 */
export async function consumerGroup(place: Place, { name, sinks }: GroupOwner): Promise<string> {
  const prefix = `${place.kafka?.groupPrefix ?? ''}${name}`
  const store = ownStore(place, sinks)
  if (store === null) return prefix
  const id = await storeIdentity(store, place.ids)
  return `${prefix}.${id.replaceAll('-', '').slice(0, 12)}`
}

function ownStore(place: Place, sinks: readonly SinkDescription[]): ObjectStore | null {
  if (sinks.some(({ kind }) => kind === 'delta')) return place.lake
  return sinks.some(({ kind }) => isEmbedded(kind, place)) ? localStore(place.storesDir) : null
}

function isEmbedded(kind: string, place: Place): boolean {
  return (
    (kind === 'olap' && place.clickhouse === null) ||
    (kind === 'vectors' && place.pinecone === null) ||
    (kind === 'graph' && place.neo4j === null)
  )
}
