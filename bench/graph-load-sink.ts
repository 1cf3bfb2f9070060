/** The rows into Neo4j by our sink: compared with what is there, with positions, one transaction a batch. */
import type { Neo4j } from '../connectors/neo4j/client.ts'
import { neo4jSink } from '../connectors/neo4j/sink.ts'
import { systemClock as clock, systemIds as ids } from '../engine/clock.ts'
import type { SinkCommit } from '../engine/contracts.ts'
import type { Duckdb } from '../engine/duckdb.ts'
import type { FilmRows, LoadTimes } from './graph-load-rows.ts'

const title = { title: 'string', original_title: 'string', release_date: 'date', year: 'long' } as const
const description = {
  nodes: {
    Movie: { from: 'films', key: 'id', properties: { ...title, status: 'string', original_language: 'string' } },
    Person: {
      from: 'people',
      key: 'id',
      properties: { name: 'string', known_for_department: 'string', place_of_birth: 'string' },
    },
  },
  owners: { from: 'casts', node: 'Movie', key: 'title_id' },
  relationships: {
    ACTED_IN: {
      from: 'casts',
      fromNode: 'Person',
      toNode: 'Movie',
      fromKey: 'person_id',
      toKey: 'title_id',
      key: 'credit_key',
      properties: { person_name: 'string', character: 'string' },
    },
  },
  stubs: { Person: { key: 'id', name: 'person_name' } },
} as const

/** Every batch is prepared and committed, as a pipeline does it. */
export async function loadBySink(
  store: { readonly neo4j: Neo4j; readonly duckdb: Duckdb; readonly stagingDir: string },
  rows: FilmRows,
): Promise<LoadTimes> {
  const { neo4j, stagingDir } = store
  const sink = neo4jSink({ neo4j, description, duckdb: async () => store.duckdb, stagingDir, clock, ids })
  let at = 0n
  const commit = async (outputs: SinkCommit['outputs']): Promise<void> => {
    const ranges = [{ sourcePartition: 'silver', start: at, end: at + 1n }]
    const parts = { pipeline: 'p', fingerprint: 'f', ranges, initial: new Map(), columns: new Map() }
    const batch = { ...parts, txnId: ids.uuid(), outputs, signal: new AbortController().signal }
    await sink.prepare!(batch)
    const { kind } = await sink.commit(batch)
    if (kind !== 'committed') throw new Error(`the sink says ${kind}`)
    at += 1n
  }
  const startedMs = performance.now()
  for (const file of rows.people) await commit(new Map([['people', [file]]]))
  for (const file of rows.films) await commit(new Map([['films', [file]]]))
  const nodesMs = performance.now()
  for (const file of rows.casts) await commit(new Map([['casts', [file]]]))
  const endedMs = performance.now()
  await sink.close()
  return { nodes: (nodesMs - startedMs) / 1000, relationships: (endedMs - nodesMs) / 1000 }
}
