import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { systemClock as clock, systemIds as ids } from '../../engine/clock.ts'
import type { SinkCommit } from '../../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import { commitAt } from '../../engine/sink-commit.testing.ts'
import type { GraphOptions } from '../graph/description.ts'
import { expected, outputsOf, type Title } from '../graph/films.testing.ts'
import {
  ann,
  film,
  type GraphSubject,
  moduleUrl,
  type SubjectOptions,
  sinkPromises,
} from '../graph/sink-promises.testing.ts'
import { type Neo4j, openNeo4j } from './client.ts'
import { contentsOf, openSink } from './films.testing.ts'
import { type OwnDatabase, openWay, ownDatabase, service, turnMs, type Way } from './service.testing.ts'
import { neo4jSink } from './sink.ts'

describe.skipIf(service.uri === '')('over a service (needs NEO4J_URI)', () => {
  let own: OwnDatabase
  beforeAll(async () => {
    own = await ownDatabase()
  }, turnMs)
  afterAll(() => own.close())

  async function open(options: SubjectOptions): Promise<GraphSubject> {
    await own.empty()
    const { neo4j } = own
    return {
      sink: (pipeline) => openSink(pipeline, { neo4j, duckdb: options.duckdb, stagingDir: options.dir }),
      contents: () => contentsOf(neo4j),
      forgetTotals: async () => void (await neo4j.run('MATCH (p:MillracePosition) REMOVE p.totals')),
      childsSink: `
        import { openNeo4j } from ${moduleUrl('./client.ts', import.meta.url)}
        import { openSink } from ${moduleUrl('./films.testing.ts', import.meta.url)}
        import { service } from ${moduleUrl('./service.testing.ts', import.meta.url)}
        const sink = openSink('Movie', { neo4j: openNeo4j(service), duckdb, stagingDir: dir })`,
      release: async () => {},
      close: async () => {},
    }
  }
  sinkPromises(open)

  describe('beside others', () => {
    const dir = mkdtempSync(join(tmpdir(), 'millrace-neo4j-sink-'))
    let database: Duckdb
    let way: Way
    beforeAll(async () => {
      database = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: dir })
    })
    afterAll(async () => {
      await database.close()
      rmSync(dir, { recursive: true, force: true })
    })
    beforeEach(async () => {
      await own.empty()
      way = await openWay()
    })
    afterEach(() => way.close())
    const sinkOver = (neo4j: Neo4j) => openSink('Movie', { neo4j, duckdb: async () => database, stagingDir: dir })
    const commitOf = async (rows: ReadonlyMap<bigint, Title>, txnId: string): Promise<SinkCommit> =>
      commitAt(0, { pipeline: 'Movie', txnId, outputs: await outputsOf(database, dir, 'Movie', rows) })
    const ours = new Map([[1n, film([ann])]])
    const held = () => contentsOf(own.neo4j)
    const after = expected({ Movie: ours, TvSeries: new Map(), Person: new Map() })

    test('of two copies that write the same range at once one is fenced', async () => {
      const copies = [sinkOver(own.neo4j), sinkOver(own.neo4j), sinkOver(own.neo4j)]
      const outcomes = await Promise.all(copies.map(async (copy, i) => copy.commit(await commitOf(ours, `copy ${i}`))))
      expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['committed', 'fenced', 'fenced'])
      expect(await held()).toEqual(after)
    })

    test('what is prepared is held until it is committed or abandoned, and whoever else writes waits', async () => {
      const [first, second] = [sinkOver(own.neo4j), sinkOver(own.neo4j)]
      await first.prepare!(await commitOf(ours, 'first'))
      const waiting = second.commit(await commitOf(ours, 'second'))
      expect(await held(), 'nothing is seen before').toEqual([])
      await first.abandon!()
      expect(await waiting).toMatchObject({ kind: 'committed' })
      const late = await commitOf(ours, 'late')
      expect(await first.prepare!(late)).toEqual([])
      expect(await first.commit(late)).toMatchObject({ kind: 'fenced' })
      expect(await held()).toEqual(after)
    })

    test('a deadlock with somebody who does not take our lock ends, whoever has to give way', async () => {
      const { neo4j } = own
      await neo4j.run(`MERGE (:Movie {id: 1})`)
      const theirs = await neo4j.begin()
      await theirs.run(`MATCH (m:Movie {id: 1}) SET m.title = 'theirs'`)
      let tries = 0
      let ending: Promise<'committed' | 'gave way'> | null = null
      // once ours holds the lock theirs wants it, and then ours wants the movie
      const crossing = async (): Promise<void> => {
        ending = theirs
          .run(`MATCH (g:MillracePosition {id: 'graph'}) SET g.theirs = 1`)
          .then(() => theirs.commit())
          .then(
            () => 'committed' as const,
            () => 'gave way' as const,
          )
        const blocked = `SHOW TRANSACTIONS YIELD status WHERE status STARTS WITH 'Blocked' RETURN status`
        await vi.waitFor(async () => expect(await neo4j.read(blocked)).toHaveLength(1), { timeout: 30_000 })
      }
      const crossed: Neo4j = {
        ...neo4j,
        async begin() {
          tries += 1
          const transaction = await neo4j.begin()
          return {
            ...transaction,
            async run(cypher, parameters) {
              const rows = await transaction.run(cypher, parameters)
              if (cypher.includes('locked_by') && ending === null) await crossing()
              return rows
            },
          }
        },
      }
      expect(await sinkOver(crossed).commit(await commitOf(ours, 'ours'))).toMatchObject({ kind: 'committed' })
      // which of the two has to give way is the service's choice
      expect(tries).toBe((await ending) === 'gave way' ? 1 : 2)
      await theirs.rollback()
      expect(await held()).toEqual(after)
    })

    test('a service that hangs or dies in the middle of a batch leaves nothing, and the batch may be run again', async () => {
      for (const harm of ['hang', 'cut'] as const) {
        await own.empty()
        const far = openNeo4j({ ...service, uri: way.uri, timeoutMs: 1500 })
        const sink = sinkOver(far)
        await sink.prepare!(await commitOf(ours, 'first'))
        way[harm]()
        await expect(sink.commit(await commitOf(ours, 'first'))).rejects.toMatchObject({
          code: 'NEO4J_UNREACHABLE',
          retryable: true,
        })
        way.goOn()
        await far.close()
        const again = sinkOver(own.neo4j)
        const outcome = await again.commit(await commitOf(ours, 'second'))
        // a commit that hung may have been on its way already: then it landed once, and the second is fenced
        expect(['committed', 'fenced']).toContain(outcome.kind)
        expect(await held()).toEqual(after)
      }
    })

    test('another key or type than the graph has is refused by name, a label without a declaration too', async () => {
      const of = (description: GraphOptions) =>
        neo4jSink({ neo4j: own.neo4j, description, duckdb: async () => database, stagingDir: dir, clock, ids })
      await of({ nodes: { Film: { from: 'n', key: 'id', properties: { year: 'long' } } } }).commit(
        await commitOf(new Map(), 't'),
      )
      const second = async (description: GraphOptions) =>
        of(description).commit({ ...(await commitOf(new Map(), 'u')), pipeline: 'another' })
      await expect(
        second({ nodes: { Film: { from: 'n', key: 'id', properties: { year: 'string' } } } }),
      ).rejects.toMatchObject({
        code: 'SCHEMA_MISMATCH',
        message: expect.stringContaining('graph property Film.year is long in the store and string in the definition'),
      })
      await expect(second({ nodes: { Film: { from: 'n', key: 'key', properties: {} } } })).rejects.toMatchObject({
        code: 'SCHEMA_MISMATCH',
      })
    })
  })
})
