/** What every graph promises to those who ask, as tests that each store's run over the same few films. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Sink } from '../../engine/contracts.ts'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import { commitTo, outputsOf, type Title } from './films.testing.ts'
import type { SubjectOptions } from './sink-promises.testing.ts'
import type { Graph } from './store.ts'

/** A key that no double holds. */
export const far = 2n ** 53n + 1n

const via = ['ACTED_IN', 'CREW_OF', 'DIRECTED']

/** A store under test, empty at first. */
export interface AskedSubject {
  /** Of the pipeline Movie. */
  sink(): Sink
  graph(): Promise<Graph>
}

function title(name: string, cast: readonly (readonly [name: string, person: bigint])[]): Title {
  const credits = cast.map(([personName, person], i) => ({
    type: 'ACTED_IN' as const,
    key: `${name}${i}`,
    person,
    personName,
    role: '',
  }))
  return { name, credits, genres: [] }
}

const films = new Map([
  [
    1n,
    title('One', [
      ['Ann', 1n],
      ['Bob', 2n],
    ]),
  ],
  [
    far,
    title('Two', [
      ['Bob', 2n],
      ['Ann', far],
    ]),
  ],
  [
    3n,
    title('Three', [
      ['Ann', far],
      ['Cat', 3n],
    ]),
  ],
  [4n, title('Four', [['Dora', 4n]])],
])

/** Registers the tests; what is returned gives the filled graph to those of one store. */
export function queryPromises(open: (options: SubjectOptions) => Promise<AskedSubject>): () => Graph {
  let duckdb: Duckdb
  let dir: string
  let graph: Graph
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-query-'))
    duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: dir })
    const subject = await open({ dir, duckdb: async () => duckdb })
    await expect(subject.graph(), 'a graph that nobody has filled is not found').rejects.toMatchObject({
      code: 'TABLE_NOT_FOUND',
    })
    const sink = subject.sink()
    await commitTo(sink, 0, { pipeline: 'Movie', outputs: await outputsOf(duckdb, dir, 'Movie', films) })
    await sink.close()
    graph = await subject.graph()
  })
  afterAll(async () => {
    await graph.close()
    await duckdb.close()
    rmSync(dir, { recursive: true, force: true })
  })
  const names = async (from: string, to: string): Promise<(string | null)[] | undefined> =>
    (await graph.shortestPath({ label: 'Person', via, from, to }))?.map((step) => step.name)

  test('two people are connected by the fewest titles, by name in any case or by key', async () => {
    expect(await names('1', 'cAT')).toEqual(['Ann', 'One', 'Bob', 'Two', 'Ann', 'Three', 'Cat'])
    expect(await names('Bob', 'Cat')).toEqual(['Bob', 'Two', 'Ann', 'Three', 'Cat'])
    expect(await graph.shortestPath({ label: 'Person', via, from: '2', to: String(far) })).toEqual([
      { label: 'Person', key: '2', name: 'Bob', via: null },
      { label: 'Movie', key: String(far), name: 'Two', via: 'ACTED_IN' },
      { label: 'Person', key: String(far), name: 'Ann', via: 'ACTED_IN' },
    ])
    expect(await names('Dora', 'Dora')).toEqual(['Dora'])
    expect(await graph.shortestPath({ label: 'Person', via, from: 'Dora', to: 'Ann' })).toBeNull()
  })

  test('a way that is longer than may be is none', async () => {
    const question = { label: 'Person', via, from: '1', to: 'Cat' }
    expect(await graph.shortestPath({ ...question, maxHops: 5 })).toBeNull()
    expect(await graph.shortestPath({ ...question, maxHops: 6 })).toHaveLength(7)
  })

  test('of several people of one name the one with most credits is meant', async () => {
    expect((await graph.shortestPath({ label: 'Person', via, from: 'ann', to: 'ann' }))?.[0]?.key).toBe(String(far))
  })

  test('a person who is not there is named, with those that come near', async () => {
    await expect(names('An', 'Cat')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: 'no Person is named An (did you mean Ann?)',
    })
    await expect(names('Zoë', 'Cat')).rejects.toMatchObject({ message: 'no Person is named Zoë (check the spelling)' })
  })

  test('queries are exact, take parameters, and change nothing', async () => {
    const hostile = `'; MATCH (n) DETACH DELETE n; //`
    expect(await graph.query('MATCH (n:Movie) WHERE n.title = $t RETURN count(*) AS n', { t: hostile })).toEqual([
      { n: 0n },
    ])
    const exact = `MATCH (n:Movie {title: $t}) RETURN ${graph.dialect.text('n.id')} AS id`
    expect(await graph.query(exact, { t: 'Two' })).toEqual([{ id: String(far) }])
    const found = `MATCH (n:Movie) WHERE n.id = ${graph.dialect.long('$id')} RETURN n.title AS title`
    expect(await graph.query(found, { id: String(far) })).toEqual([{ title: 'Two' }])
    for (const writing of [
      'MATCH (n:Movie) DETACH DELETE n',
      'CREATE (n:Movie {id: 9})',
      `MATCH (n:Movie) SET n.title = ''`,
    ])
      await expect(graph.query(writing)).rejects.toMatchObject({ code: 'SINK_FAILED' })
    await expect(graph.query('MATCH (n:Movie RETURN n')).rejects.toMatchObject({ code: 'SINK_FAILED' })
    expect(await graph.counts()).toEqual({
      nodes: new Map([
        ['Genre', 0],
        ['Movie', 4],
        ['Person', 5],
      ]),
      relationships: new Map([
        ['ACTED_IN', 7],
        ['CREW_OF', 0],
        ['HAS_GENRE', 0],
      ]),
    })
  })
  return () => graph
}
