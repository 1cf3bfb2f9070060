import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { KafkaSettings } from '../connectors/kafka/settings.ts'
import { localStore } from '../connectors/storage/local.ts'
import { systemIds } from '../engine/clock.ts'
import { consumerGroup } from './consumer-group.ts'
import type { Place } from './place.ts'

const root = mkdtempSync(join(tmpdir(), 'millrace-group-'))
afterAll(() => rmSync(root, { recursive: true }))

/** A lake and a data directory; what else is in a place has no say. */
function place(lake: string, dataDir = lake): Place {
  const kafka = { groupPrefix: 'millrace-' } as KafkaSettings
  const services = { kafka, clickhouse: null, neo4j: null, pinecone: null }
  const storesDir = join(root, dataDir, 'stores')
  return { ...services, lake: localStore(join(root, lake, 'lake')), storesDir, ids: systemIds } as unknown as Place
}
const owner = (...kinds: readonly string[]) => ({
  name: 'raw',
  sinks: kinds.map((kind) => ({ kind, writes: kind, inputs: {}, options: {} })),
})

test('processes of one lake share a group, wherever they run, and those of another do not', async () => {
  const group = await consumerGroup(place('a', 'one'), owner('delta'))
  expect(group).toMatch(/^millrace-raw\.[0-9a-f]{12}$/)
  expect(await consumerGroup(place('a', 'two'), owner('delta', 'olap'))).toBe(group)
  expect(await consumerGroup(place('b'), owner('delta'))).not.toBe(group)
})

test('stores of a data directory are filled by their own processes', async () => {
  const group = await consumerGroup(place('c', 'one'), owner('olap'))
  expect(await consumerGroup(place('c', 'one'), owner('graph', 'kafka'))).toBe(group)
  expect(await consumerGroup(place('c', 'two'), owner('olap'))).not.toBe(group)
})

test('who writes to services only shares the work with all others, and writes no id', async () => {
  const group = await consumerGroup(place('d'), owner('kafka'))
  expect(group).toBe('millrace-raw')
  const withService = { ...place('d'), clickhouse: {} } as Place
  expect(await consumerGroup(withService, owner('olap'))).toBe(group)
  expect(readdirSync(root)).not.toContain('d')
})
