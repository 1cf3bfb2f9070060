import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Duckdb, openDuckdb } from '../../engine/duckdb.ts'
import { commitTo, outputsOf, type Title } from '../graph/films.testing.ts'
import type { Graph } from '../graph/store.ts'
import { openSink } from './films.testing.ts'
import { openGraph } from './query.ts'

const far = 2n ** 53n + 1n
const via = ['ACTED_IN', 'CREW_OF', 'DIRECTED']
let duckdb: Duckdb
let dir: string
let graph: Graph

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-query-'))
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 1, tempDir: dir })
  const options = { path: join(dir, 'graph.lbug'), duckdb: async () => duckdb, stagingDir: dir }
  const sink = openSink('Movie', options)
  const titles = new Map([
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
  await commitTo(sink, 0, { pipeline: 'Movie', outputs: await outputsOf(duckdb, dir, 'Movie', titles) })
  await sink.close()
  graph = await openGraph(options)
})
afterAll(async () => {
  await graph.close()
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
})

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

async function names(from: string, to: string): Promise<(string | null)[] | undefined> {
  const path = await graph.shortestPath({ label: 'Person', via, from, to })
  return path?.map((step) => step.name)
}

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
  expect(await graph.query('MATCH (n:Movie {title: $t}) RETURN CAST(n.id AS STRING) AS id', { t: 'Two' })).toEqual([
    { id: String(far) },
  ])
  await expect(graph.query('MATCH (n:Movie) RETURN n.id AS id')).rejects.toMatchObject({
    message: expect.stringContaining('column id holds a number beyond 2^53'),
  })
  await expect(graph.query('MATCH (n:Movie) DETACH DELETE n')).rejects.toMatchObject({ code: 'SINK_FAILED' })
  await expect(graph.query('MATCH (n:Nope) RETURN n')).rejects.toMatchObject({
    message: expect.stringContaining('Nope'),
  })
  expect(await graph.counts()).toMatchObject({
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

test('a graph that nobody has filled is not found', async () => {
  await expect(openGraph({ path: join(dir, 'none.lbug') })).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
})
