import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemClock as clock, systemIds as ids } from '../../engine/clock.ts'
import type { RowRefusingSink, SinkCommit } from '../../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { commitAt } from '../../engine/sink-commit.testing.ts'
import type { GraphOptions } from '../graph/description.ts'
import { type OwnDatabase, ownDatabase, service, turnMs } from './service.testing.ts'
import { neo4jSink } from './sink.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-neo4j-refused-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const description: GraphOptions = {
  nodes: {
    Film: {
      from: 'films',
      key: 'id',
      properties: { title: 'string', day: 'date', time: 'timestamp', tags: 'string[]' },
    },
  },
  owners: { from: 'films', node: 'Film', key: 'id' },
  relationships: {
    HAS_TAG: {
      from: 'tags',
      fromNode: 'Film',
      toNode: 'Tag',
      fromKey: 'film_id',
      toKey: 'tag',
      key: 'tag',
      properties: { since: 'date' },
    },
  },
  stubs: { Tag: { key: 'key', keyType: 'string' } },
}

const long = 'x'.repeat(9000)

describe.skipIf(service.uri === '')('over a service (needs NEO4J_URI)', () => {
  let duckdb: Duckdb
  let own: OwnDatabase
  let files = 0
  beforeAll(async () => {
    own = await ownDatabase()
    duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: dir })
  }, turnMs)
  afterAll(async () => {
    await own.close()
    await duckdb.close()
  })
  beforeEach(() => own.empty())

  const openSink = (): RowRefusingSink =>
    neo4jSink({ neo4j: own.neo4j, description, duckdb: async () => duckdb, stagingDir: dir, clock, ids })
  async function parquet(query: string): Promise<ParquetFile> {
    files += 1
    const path = join(dir, `${files}.parquet`)
    return duckdb.withConnection((connection) => copyToParquet(connection, query, path))
  }
  async function batch(at: number, queries: Readonly<Record<string, string>>): Promise<SinkCommit> {
    const outputs = new Map<string, ParquetFile[]>()
    for (const [step, query] of Object.entries(queries)) outputs.set(step, [await parquet(query)])
    return commitAt(at, { outputs })
  }
  const films = (
    values: string,
  ) => `SELECT id::BIGINT AS id, title, "day"::VARCHAR AS day, "time"::VARCHAR AS time, tags::VARCHAR[] AS tags
    FROM (VALUES ${values}) v(id, title, "day", "time", tags)`
  const tags = (values: string) =>
    `SELECT film_id::BIGINT AS film_id, tag, since FROM (VALUES ${values}) v(film_id, tag, since)`
  const held = async () =>
    (
      await own.neo4j.read(
        'MATCH (f:Film) OPTIONAL MATCH (f)-[:HAS_TAG]->(t) WITH f, t ORDER BY t.key RETURN f.id AS id, collect(left(t.key, 3)) AS tags ORDER BY id',
      )
    ).map(({ id, tags }) => `${id} ${(tags as string[]).join(',')}`)

  const good = `(1, 'one', '1874-12-09', '2026-01-01 00:00:00.123456', ['a', ''])`

  test('rows that Neo4j cannot hold are found among all others, named in its own words, and the others are written', async () => {
    const given = await batch(0, {
      films: films(
        `${good}, (2, 'two', '12000-01-01', NULL, NULL), (3, 'three', NULL, NULL, ['a', NULL]), (4, 'four', NULL, '12000-01-01 00:00:00', []),
         (5, 'five', NULL, NULL, NULL)`,
      ),
      tags: tags(
        `(1, 'fine', DATE '2020-01-01'), (1, '${long}', NULL), (5, '${long}', NULL), (5, 'late', DATE '10000-01-01'), (2, 'gone', NULL), (5, 'kept', NULL)`,
      ),
    })
    const sink = openSink()
    const refused = await sink.prepare!(given)
    const words = refused.map(({ input, row, message }) => [input, row.slice(0, 24), message.slice(0, 52)].join(' | '))
    expect(words).toEqual([
      'films | {"id":2,"title":"two","d | Text cannot be parsed to a Date',
      'films | {"id":3,"title":"three", | Collections containing null values can not be stored',
      'films | {"id":4,"title":"four"," | Text cannot be parsed to a DateTime',
      'tags | {"film_id":1,"tag":"xxxx | Property value is too large to index, please see ind',
      'tags | {"film_id":5,"tag":"xxxx | Property value is too large to index, please see ind',
      'tags | {"film_id":5,"tag":"late | Text cannot be parsed to a Date',
    ])
    expect(await own.neo4j.read('MATCH (f:Film) RETURN f'), 'nothing counts before the commit').toEqual([])
    expect(await openSink().position('p')).toEqual({ position: new Map(), fingerprint: null })
    expect(await sink.commit(given)).toMatchObject({
      kind: 'committed',
      written: { nodesWritten: 2, relationshipsWritten: 2, stubsCreated: 2 },
    })
    expect(await held()).toEqual(['1 fin', '5 kep'])
    const [row] = await own.neo4j.read(
      'MATCH (f:Film {id: 1}) RETURN toString(f.day) AS day, toString(f.time) AS time, f.tags AS tags',
    )
    expect(row).toEqual({ day: '1874-12-09', time: '2026-01-01T00:00:00.123456Z', tags: ['a', ''] })
  })

  test('a range that is prepared again refuses the same rows, and what is abandoned leaves nothing', async () => {
    const given = await batch(0, {
      films: films(`${good}, (3, 'three', NULL, NULL, ['a', NULL])`),
      tags: tags(`(1, '${long}', NULL)`),
    })
    const sink = openSink()
    const refused = await sink.prepare!(given)
    expect(refused).toHaveLength(2)
    expect(await sink.prepare!({ ...given, txnId: 'again' })).toEqual(refused)
    await sink.abandon!()
    expect(await held()).toEqual([])
    await expect(sink.commit(given)).rejects.toMatchObject({
      code: 'SINK_FAILED',
      message: expect.stringMatching(/^neo4j refuses 2 rows, such as one of films: Collections containing null/),
    })
    expect(await held()).toEqual([])
    await sink.prepare!(given)
    await sink.commit(given)
    expect(await held()).toEqual(['1 '])
  })

  test('a row that is refused is not there, whatever stood there, and what comes later for it is refused too', async () => {
    const sink = openSink()
    await sink.commit(await batch(0, { films: films(good), tags: tags(`(1, 'fine', NULL)`) }))
    expect(await held()).toEqual(['1 fin'])
    const second = await batch(1, {
      films: films(`(1, 'one', '12000-01-01', NULL, NULL)`),
      tags: tags(`(1, 'fine', NULL)`),
    })
    expect(await sink.prepare!(second)).toHaveLength(1)
    await sink.commit(second)
    expect(await held()).toEqual([])
    expect(await own.neo4j.read('MATCH (t:Tag) RETURN t')).toEqual([])

    const relinking: GraphOptions = { ...description, owners: { from: 'relinked', node: 'Film', key: 'id' } }
    const relinks = neo4jSink({
      neo4j: own.neo4j,
      description: relinking,
      duckdb: async () => duckdb,
      stagingDir: dir,
      clock,
      ids,
    })
    const third = await batch(2, { relinked: 'SELECT 1::BIGINT AS id', tags: tags(`(1, 'new', NULL)`) })
    expect(await relinks.prepare!(third)).toEqual([
      {
        input: 'tags',
        row: '{"film_id":1,"tag":"new","since":null}',
        message: expect.stringContaining('joins Film 1 (one of 1), which is not in the graph'),
      },
    ])
    expect(await relinks.commit(third)).toMatchObject({ kind: 'committed' })
  })

  test('the one row in thousands that is refused is found', async () => {
    const given = await batch(0, {
      films: `SELECT i AS id, 'title' AS title, CASE WHEN i = 11003 THEN '12000-01-01' ELSE '2020-01-01' END AS day, NULL::VARCHAR AS time, NULL::VARCHAR[] AS tags
        FROM range(12000) r(i)`,
    })
    const sink = openSink()
    expect((await sink.prepare!(given)).map(({ row }) => row.slice(0, 12))).toEqual(['{"id":11003,'])
    expect(await sink.commit(given)).toMatchObject({ written: { nodesWritten: 11_999 } })
    expect(await own.neo4j.read('MATCH (f:Film) RETURN count(f) AS n')).toEqual([{ n: 11_999n }])
  })
})
