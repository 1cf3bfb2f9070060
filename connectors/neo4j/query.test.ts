import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { far, queryPromises } from '../graph/query-promises.testing.ts'
import { openSink } from './films.testing.ts'
import { openGraph } from './query.ts'
import { type OwnDatabase, ownDatabase, service, turnMs } from './service.testing.ts'

describe.skipIf(service.uri === '')('over a service (needs NEO4J_URI)', () => {
  let own: OwnDatabase
  beforeAll(async () => {
    own = await ownDatabase()
  }, turnMs)
  afterAll(() => own.close())
  const graph = queryPromises(async ({ dir, duckdb }) => ({
    sink: () => openSink('Movie', { neo4j: own.neo4j, duckdb, stagingDir: dir }),
    graph: () => openGraph(own.neo4j),
  }))

  test('whole numbers of any size are exact, days and times are text, nodes are plain', async () => {
    const values = `date('1874-12-09') AS day, datetime('2026-01-02T03:04:05.678901+01:00') AS time, [1, ${far}] AS list,
      localdatetime('1874-12-09T23:59:59.5') AS local, [date('1999-01-01')] AS days`
    expect(await graph().query(`MATCH (n:Movie {title: 'Two'}) RETURN n, n.id AS id, 1.5 AS half, ${values}`)).toEqual([
      {
        n: { id: far, title: 'Two', stub: false, _label: 'Movie', _id: expect.any(String) },
        id: far,
        half: 1.5,
        day: '1874-12-09',
        time: '2026-01-02T02:04:05.678901Z',
        list: [1, far],
        local: '1874-12-09T23:59:59.500000',
        days: ['1999-01-01'],
      },
    ])
  })

  test('a query that would write says why it is not run', async () => {
    await expect(graph().query('CREATE (n:Movie {id: 9})')).rejects.toThrow(/CREATE is not allowed/)
  })
})
