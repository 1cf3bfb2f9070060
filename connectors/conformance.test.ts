import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { copyToParquet } from '../engine/batch/duckdb-parquet.ts'
import { systemClock as clock, systemIds as ids } from '../engine/clock.ts'
import { type Duckdb, openDuckdb } from '../engine/duckdb.ts'
import { duckdbStore } from '../engine/duckdb-store.ts'
import type { ParquetFile } from '../engine/schema.ts'
import { type PineconeEmulator, startPineconeEmulator } from '../testing/index.ts'
import type { Clickhouse } from './clickhouse/client.ts'
import { freshDatabase, service } from './clickhouse/service.testing.ts'
import { clickhouseSink } from './clickhouse/sink.ts'
import { countRows } from './clickhouse/store.ts'
import { type RecordSourceSubject, recordSourceChecks, type SinkSubject, sinkChecks } from './conformance.ts'
import { openDeltaTable } from './delta/delta-table.ts'
import { deltaSink, type TableSinkOptions } from './delta/sink.ts'
import { rowsOf } from './delta/statistics.ts'
import { olapSink } from './duckdb/sink.ts'
import { openOlapStore } from './duckdb/store.ts'
import { openProducer, producerBatch } from './file-log/producer.ts'
import { fileLogReader } from './file-log/reader.ts'
import { fileLogSink } from './file-log/sink.ts'
import { fileLogSource } from './file-log/source.ts'
import { openGraph } from './ladybug/query.ts'
import { graphSink } from './ladybug/sink.ts'
import { openVectorStore } from './local-vectors/search.ts'
import { vectorsSink } from './local-vectors/sink.ts'
import { memorySink } from './memory/sink.ts'
import { memorySource } from './memory/source.ts'
import { countGraph } from './neo4j/query.ts'
import { service as neo4jService, type OwnDatabase, ownDatabase, turnMs } from './neo4j/service.testing.ts'
import { neo4jSink } from './neo4j/sink.ts'
import { openPinecone } from './pinecone/client.ts'
import { pineconeStore } from './pinecone/search.ts'
import { pineconeSink } from './pinecone/sink.ts'
import { localStore } from './storage/local.ts'

const root = mkdtempSync(join(tmpdir(), 'millrace-conformance-'))
let database: Duckdb
const duckdb = async (): Promise<Duckdb> => database
let made = 0
const databases: Clickhouse[] = []
const emulators: PineconeEmulator[] = []
let ownGraph: OwnDatabase | null = null

beforeAll(async () => {
  database = await openDuckdb({ memoryLimitBytes: 256 * 2 ** 20, threads: 2, tempDir: root })
})
afterAll(async () => {
  await database.close()
  for (const each of [...databases, ...emulators]) await each.close()
  await ownGraph?.close()
  rmSync(root, { recursive: true, force: true })
})

function fresh(): string {
  made += 1
  return mkdtempSync(join(root, `${made}-`))
}

function parquet(query: string): Promise<ParquetFile> {
  made += 1
  const path = join(root, `${made}.parquet`)
  return database.withConnection((connection) => copyToParquet(connection, query, path))
}

async function rows(query: string): Promise<Map<string, ParquetFile[]>> {
  return new Map([['rows', [await parquet(query)]]])
}

function deltaSubject(write: TableSinkOptions['write']): SinkSubject {
  const stagingDir = fresh()
  const store = localStore(fresh())
  const table = () => openDeltaTable({ store, path: 't', duckdb, clock, ids, stagingDir })
  const columns = [{ name: 'id', type: 'long' }] as const
  const rules = { notNull: ['id'], check: { small: 'id < 1000' } }
  const opened = (more: Partial<TableSinkOptions>) => async () =>
    deltaSink({
      ...{ table: table(), store, write, columns, rules, changeFeed: false, duckdb, clock, ids, stagingDir },
      ...more,
    })
  const batch =
    (query: string, more: Partial<TableSinkOptions> = {}) =>
    async () => ({
      outputs: await rows(query),
      open: opened(more),
    })
  const poison = (query: string) => async () => ({ outputs: await rows(query), taken: 1, refused: 2 })
  return {
    open: opened({}),
    hopeless: {
      'another type': batch(`SELECT 'x' AS id`),
      'a name that differs in case only': batch('SELECT 7::BIGINT AS "ID"'),
      'a name that no table can have': batch('SELECT 7::BIGINT AS id, 1 AS "a b"'),
      'rules that the table lacks': batch('SELECT 7::BIGINT AS id', { rules: { check: { other: 'id > 0' } } }),
      'other partitions': batch('SELECT 7::BIGINT AS id, 1 AS more', {
        columns: [...columns, { name: 'more', type: 'integer' }],
        partitionBy: ['more'],
      }),
      'a change feed that it lacks': batch('SELECT 7::BIGINT AS id', { changeFeed: true }),
      'deletion vectors that it lacks': batch('SELECT 7::BIGINT AS id', { deletionVectors: true }),
      ...(write.mode === 'merge'
        ? {
            'a key that rows lack': batch('SELECT 7::BIGINT AS id', { write: { ...write, key: ['other'] } }),
            'clauses that do not fit': batch('SELECT 7::BIGINT AS id', {
              columns: [...columns, { name: 'other', type: 'long' }],
              write: { ...write, whenMatched: [{ then: 'update', set: { other: '1' } }] },
            }),
          }
        : {}),
    },
    poisoned: {
      'values that break its rules': poison('SELECT * FROM (VALUES (501::BIGINT), (5000), (6000)) t(id)'),
      'nulls where none may be': poison('SELECT * FROM (VALUES (502::BIGINT), (NULL), (NULL)) t(id)'),
    },
    outputs: (batch) => rows(`SELECT ${batch}::BIGINT AS id`),
    async countRows() {
      const files = (await (await table().snapshot())?.files())?.values() ?? []
      return [...files].reduce((sum, file) => sum + Number(rowsOf(file) ?? 0), 0)
    },
  }
}

const sinks: Readonly<Record<string, () => Promise<SinkSubject>>> = {
  'delta, append': async () => deltaSubject({ mode: 'append' }),
  'delta, merge': async () => deltaSubject({ mode: 'merge', key: ['id'], newer: ['id'] }),
  async olap() {
    const store = duckdbStore({ path: join(fresh(), 'olap.duckdb'), duckdb })
    const description = { tables: { t: { from: 'rows', key: ['id'], owner: { id: 'id' } } }, owners: 'rows' }
    return {
      open: async () => olapSink({ store, description, clock }),
      outputs: (batch) => rows(`SELECT ${batch}::BIGINT AS id`),
      hopeless: {
        'another type': async () => ({ outputs: await rows(`SELECT 'x' AS id`) }),
        'a name that differs in case only': async () => ({ outputs: await rows('SELECT 7::BIGINT AS "ID"') }),
        'a key that rows lack': async () => ({
          outputs: await rows('SELECT 7::BIGINT AS id'),
          open: async () =>
            olapSink({
              store,
              description: { ...description, tables: { other: { from: 'rows', key: ['no'], owner: { id: 'id' } } } },
              clock,
            }),
        }),
      },
      countRows: async () => (await openOlapStore(store).counts()).get('t') ?? 0,
    }
  },
  ...(service.url === ''
    ? {}
    : {
        async 'olap in ClickHouse (needs CLICKHOUSE_URL)'() {
          const clickhouse = await freshDatabase()
          databases.push(clickhouse)
          const description = { tables: { t: { from: 'rows', key: ['id'], owner: { id: 'id' } } }, owners: 'rows' }
          return {
            open: async () => clickhouseSink({ clickhouse, description, duckdb, stagingDir: root, clock }),
            outputs: (batch: number) => rows(`SELECT ${batch}::BIGINT AS id`),
            countRows: async () => (await countRows(clickhouse)).get('t') ?? 0,
          }
        },
      }),
  async graph() {
    const path = join(fresh(), 'graph.lbug')
    const description = { nodes: { Thing: { from: 'rows', key: 'id', properties: {} } } }
    return {
      open: async () => graphSink({ path, description, duckdb, stagingDir: root, clock }),
      outputs: (batch) => rows(`SELECT ${batch}::BIGINT AS id`),
      async countRows() {
        const graph = await openGraph({ path })
        const { nodes } = await graph.counts()
        await graph.close()
        return nodes.get('Thing') ?? 0
      },
    }
  },
  ...(neo4jService.uri === ''
    ? {}
    : {
        async 'graph in Neo4j (needs NEO4J_URI)'() {
          ownGraph ??= await ownDatabase()
          const { neo4j, empty } = ownGraph
          await empty()
          const description = { nodes: { Thing: { from: 'rows', key: 'id', properties: {} } } }
          return {
            open: async () => neo4jSink({ neo4j, description, duckdb, stagingDir: root, clock, ids }),
            outputs: (batch: number) => rows(`SELECT ${batch}::BIGINT AS id`),
            countRows: async () => (await countGraph(neo4j)).nodes.get('Thing') ?? 0,
          }
        },
      }),
  async vectors() {
    const store = duckdbStore({ path: join(fresh(), 'vectors.duckdb'), duckdb })
    const description = { namespace: 'n', upserts: 'rows', embedder: 'test' }
    return {
      open: async () => vectorsSink({ store, duckdb, description, embedder: { id: 'test', dimension: 2 }, clock }),
      hopeless: {
        'vectors of another length': async () => ({
          outputs: await rows(`SELECT '7' AS id, [1]::FLOAT[] AS embedding`),
        }),
        'another embedder': async () => ({
          outputs: await rows(`SELECT '7' AS id, [1, 2]::FLOAT[] AS embedding`),
          open: async () =>
            vectorsSink({
              store,
              duckdb,
              description,
              embedder: { id: 'else', dimension: 2 },
              clock,
            }),
        }),
      },
      outputs: (batch) => rows(`SELECT '${batch}' AS id, [1, ${batch}]::FLOAT[] AS embedding`),
      countRows: async () => (await openVectorStore(store).counts()).get('n') ?? 0,
    }
  },
  async 'vectors in Pinecone'() {
    const emulator = await startPineconeEmulator()
    emulators.push(emulator)
    const settings = {
      apiKey: 'key',
      index: 'checked',
      controllerHost: emulator.url,
      cloud: 'aws',
      region: 'us-east-1',
    }
    const open = () => openPinecone({ settings, clock, ids })
    const description = { namespace: 'n', upserts: 'rows', embedder: 'test' }
    const embedder = { id: 'test', dimension: 2 }
    return {
      open: async () => pineconeSink({ index: open(), description, embedder, duckdb, clock }), // remembers nothing
      outputs: (batch) => rows(`SELECT '${batch}' AS id, [1, 0]::FLOAT[] AS embedding`),
      countRows: async () => (await pineconeStore(open()).counts()).get('n') ?? 0,
    }
  },
  async 'file log'() {
    const dir = fresh()
    const producer = await openProducer({ dir, clock, ids })
    await producer.createTopic('t', 2)
    await producer.close()
    return {
      open: async () => fileLogSink({ dir, topic: 't', duckdb: database, clock, ids, stagingDir: root }),
      outputs: (batch) =>
        rows(`SELECT encode('k${batch}') AS key, encode('v') AS value, make_timestamptz(1000) AS timestamp`),
      hopeless: {
        'a key that is a number': async () => ({ outputs: await rows(`SELECT 7 AS key, encode('v') AS value`) }),
        'headers that are text': async () => ({ outputs: await rows(`SELECT encode('v') AS value, 'h' AS headers`) }),
      },
      poisoned: {
        'headers without a name': async () => ({
          outputs: await rows(
            `SELECT encode('v') AS value, [{'key': CASE WHEN i = 1 THEN 'h' END, 'value': encode('x')}] AS headers FROM range(3) t(i)`,
          ),
          taken: 1,
          refused: 2,
        }),
        'names of topics that cannot be': async () => ({
          outputs: await rows(`SELECT encode('v') AS value, unnest(['t', NULL, '../x']) AS topic`),
          open: async () => fileLogSink({ dir, duckdb: database, clock, ids, stagingDir: root }),
          taken: 1,
          refused: 2,
        }),
      },
      async countRows() {
        const latest = await fileLogSource({ dir, choice: { topic: 't' }, clock }).latest()
        return [...latest.values()].reduce((sum, next) => sum + Number(next), 0)
      },
    }
  },
  async memory() {
    const held = memorySink({ duckdb: database })
    return {
      open: async () => held.sink,
      outputs: (batch) => rows(`SELECT ${batch}::BIGINT AS id`),
      countRows: async () => held.rows().length,
    }
  },
}

const sources: Readonly<Record<string, () => Promise<RecordSourceSubject>>> = {
  async 'file log'() {
    const dir = fresh()
    const producer = await openProducer({ dir, clock, ids })
    await producer.createTopic('t', 2)
    for (const turn of [0, 1, 2]) {
      const batch = producerBatch()
      for (let i = 0; i < 6; i += 1)
        batch.add({ partition: i % 2, key: null, value: Buffer.from(`record ${turn} ${i}`), timestampMs: 1000 + i })
      await producer.append('t', batch)
    }
    await producer.close()
    return {
      source: fileLogSource({ dir, choice: { topic: 't' }, clock }),
      reader: fileLogReader({ dir }),
      cutsByBytes: true,
    }
  },
  async memory() {
    const records = Array.from({ length: 10 }, (_, i) => ({ partition: i % 2, value: `record ${i}` }))
    return { ...memorySource({ records }), cutsByBytes: true }
  },
}

for (const [name, subject] of Object.entries(sinks))
  describe(`sink: ${name}`, () => {
    test.each(sinkChecks)('$name', async (check) => check.run(await subject()), turnMs)
  })

for (const [name, subject] of Object.entries(sources))
  describe(`source of records: ${name}`, () => {
    test.each(recordSourceChecks)('$name', async (check) => check.run(await subject()))
  })
