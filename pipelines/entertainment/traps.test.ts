/** What real documents do that a naive platform gets wrong, one title a trap, through every layer. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { requireTable } from '../../cli/lake-tables.ts'
import { makeDataDir, removeAll, runPlatform, withWorkspace } from '../../cli/platform.testing.ts'
import { sendEvents } from '../../cli/send-events.ts'
import { runTotals } from '../../cli/totals.ts'
import { graphFile, olapFile, vectorsFile } from '../../cli/wire.ts'
import type { Workspace } from '../../cli/workspace.ts'
import { selectTable } from '../../connectors/delta/read.ts'
import { openOlapStore } from '../../connectors/duckdb/store.ts'
import { openGraph } from '../../connectors/ladybug/query.ts'
import type { DocumentType, TmdbDocument, TmdbEvent } from '../../connectors/tmdb/event.ts'
import { systemClock, systemIds } from '../../engine/clock.ts'
import type { Row } from '../../engine/duckdb.ts'

const day = 86_400_000
const start = Date.UTC(2026, 0, 1)

function event(type: DocumentType, id: number, at: number, doc: TmdbDocument | null): TmdbEvent {
  const base = { type, id: BigInt(id), timestampMs: start + at * day }
  return doc === null
    ? { ...base, op: 'D' }
    : { ...base, op: at === 0 ? 'A' : 'M', label: at === 0 ? 'new' : 'change', doc: { id, ...doc } }
}
const movie = (id: number, at: number, doc: TmdbDocument | null) => event('movie', id, at, doc)
const series = (id: number, at: number, doc: TmdbDocument | null) => event('tv_series', id, at, doc)
const person = (id: number, at: number, doc: TmdbDocument | null) => event('person', id, at, doc)

const ann = { id: 1, name: 'Ann', credit_id: 'aaaaaaaaaaaaaaaaaaaaaaa1', character: 'Captain', order: 0, cast_id: 4 }
const bob = { id: 2, name: 'Bob', credit_id: 'aaaaaaaaaaaaaaaaaaaaaaa2', character: 'Cook', order: 1, cast_id: 5 }
const credited = (...cast: readonly object[]) => ({ credits: { cast, crew: [] } })

/** Each title id stands for one trap; see the tests. */
const first: readonly TmdbEvent[] = [
  movie(10, 0, {
    title: 'Roles',
    credits: {
      cast: [ann, { ...ann, credit_id: 'aaaaaaaaaaaaaaaaaaaaaaa9', character: 'Twin' }],
      crew: [{ id: 1, name: 'Ann', credit_id: 'aaaaaaaaaaaaaaaaaaaaaaa8', department: 'Directing', job: 'Director' }],
    },
  }),
  movie(11, 0, { title: 'Old', release_date: '1927-01-10' }),
  movie(12, 0, { title: 'Oldest', release_date: '1874-12-09' }),
  movie(13, 0, { title: 'Undated', release_date: '', belongs_to_collection: null }),
  movie(14, 0, { title: 'Collected', belongs_to_collection: { id: 70, name: 'The Collection' } }),
  movie(15, 0, { title: 'Worded', keywords: { keywords: [{ id: 5, name: 'sea' }] } }),
  movie(16, 0, { title: 'Popular', overview: 'A quiet film', popularity: 1.5, vote_count: 3, ...credited(ann, bob) }),
  movie(17, 0, { title: 'Shuffled', ...credited(ann, bob) }),
  movie(18, 0, { title: 'Leaving', ...credited(ann, bob, { id: 3, name: 'Only Here', character: 'Ghost' }) }),
  movie(19, 0, { title: 'Deleted', overview: 'Soon gone', ...credited(ann) }),
  movie(20, 5, { title: 'Newest' }),
  movie(21, 0, { title: 'First of two' }),
  movie(21, 0, { title: 'Second of two' }),
  movie(22, 0, {
    title: 'Guests',
    ...credited(
      ann,
      { name: 'Nobody', character: 'Guest' },
      { ...bob, credit_id: undefined },
      { ...bob, credit_id: undefined },
    ),
  }),
  movie(23, 0, { title: 'Genre in films', genres: [{ id: 10, name: 'Adventure' }] }),
  movie(24, 0, { title: 'Aging', overview: 'x' }),
  movie(25, 0, {
    title: "Robert'); DROP TABLE movies;--",
    overview: '"}) DETACH DELETE n //',
    ...credited({ ...ann, name: 'O\'Ann \\ " `' }),
  }),
  movie(26, 0, { title: '', overview: '' }),
  series(30, 0, {
    name: 'Serial',
    first_air_date: '1969-07-20',
    keywords: { results: [{ id: 6, name: 'moon' }] },
    genres: [{ id: 10, name: 'Action & Adventure' }],
    ...credited({ id: 1, name: 'Ann', credit_id: 'bbbbbbbbbbbbbbbbbbbbbbb1', character: 'Host', order: 0 }),
  }),
  series(31, 0, {
    name: 'Aggregated',
    created_by: [{ id: 2, name: 'Bob', credit_id: 'bbbbbbbbbbbbbbbbbbbbbbb4' }],
    aggregate_credits: {
      cast: [
        {
          id: 1,
          name: 'Ann',
          order: 0,
          roles: [
            { credit_id: 'bbbbbbbbbbbbbbbbbbbbbbb2', character: 'A' },
            { credit_id: 'bbbbbbbbbbbbbbbbbbbbbbb3', character: 'B' },
          ],
        },
      ],
      crew: [],
    },
  }),
  person(2, 0, { name: 'Robert', birthday: '1950-02-03' }),
]

const second: readonly TmdbEvent[] = [
  movie(16, 1, {
    title: 'Popular',
    overview: 'A quiet film',
    popularity: 99.5,
    vote_count: 300,
    ...credited(ann, bob),
  }),
  movie(17, 1, {
    title: 'Shuffled',
    ...credited({ ...bob, order: 0, profile_path: '/new.jpg' }, { ...ann, order: 1 }),
  }),
  movie(18, 1, { title: 'Leaving', ...credited(ann) }),
  movie(19, 1, null),
  movie(19, 0.5, { title: 'Deleted', overview: 'Late, and older than the deletion' }),
  movie(20, 4, { title: 'Late and older' }),
  movie(24, 1, { title: 'Aging', overview: 'x', certification: 'PG' }),
  person(1, 1, { name: 'Ann Example', biography: 'An actor' }),
  person(2, 1, null),
]

let dataDir: string
let workspace: Workspace
let close: () => void
let closed: Promise<void>
const totals = runTotals()

async function round(events: readonly TmdbEvent[], watch: Partial<typeof totals> = {}): Promise<void> {
  await sendEvents(events, { logDir: workspace.logDir, partitions: 2, seed: 1, clock: systemClock, ids: systemIds })
  await runPlatform(workspace, { watch })
}

beforeAll(async () => {
  dataDir = await makeDataDir()
  const opened = new Promise<void>((resolve, reject) => {
    closed = withWorkspace(dataDir, async (open) => {
      workspace = open
      const until = new Promise<void>((end) => {
        close = end
      })
      resolve()
      await until
    })
    closed.catch(reject)
  })
  await opened
  await round(first)
  await round(second, totals)
})
afterAll(async () => {
  close()
  await closed
  await removeAll(dataDir)
})

const olap = (sql: string): Promise<readonly Row[]> => openOlapStore(olapFile(workspace)).rows(sql)
const vectors = (sql: string): Promise<readonly Row[]> => openOlapStore(vectorsFile(workspace)).rows(sql)

async function silver(kind: string, id: number): Promise<Row | undefined> {
  const { snapshot } = await requireTable(workspace, `silver/${kind}`)
  const query = await selectTable({
    snapshot,
    store: workspace.lake,
    tablePath: `silver/${kind}`,
    duckdb: workspace.duckdb,
  })
  const [row] = await (await workspace.duckdb()).withConnection((c) =>
    c.rows(`SELECT * FROM (${query}) WHERE id = ${id}`),
  )
  return row
}

async function graph(cypher: string): Promise<readonly Row[]> {
  const open = await openGraph({ path: graphFile(workspace) })
  try {
    return await open.query(cypher)
  } finally {
    await open.close()
  }
}

describe('credits', () => {
  test('one person may hold several roles in one title', async () => {
    expect(await olap('SELECT character FROM casts WHERE title_id = 10 ORDER BY 1')).toEqual([
      { character: 'Captain' },
      { character: 'Twin' },
    ])
    expect(await graph('MATCH (p:Person)-[r]->(:Movie {id: 10}) RETURN count(r) AS n')).toEqual([{ n: 3n }])
  })

  test('series have no cast_id, and may list their credits once a person', async () => {
    expect(await olap("SELECT cast_id FROM casts WHERE title_type = 'tv_series' AND cast_id IS NOT NULL")).toEqual([])
    expect(
      await graph('MATCH (:Person)-[r:ACTED_IN]->(:TvSeries {id: 31}) RETURN r.character AS c ORDER BY c'),
    ).toEqual([{ c: 'A' }, { c: 'B' }])
    expect(await graph('MATCH (p:Person)-[r:CREW_OF]->(:TvSeries {id: 31}) RETURN p.id AS id, r.job AS job')).toEqual([
      { id: 2n, job: 'Creator' },
    ])
  })

  test('a guest without an id is in the tables, not in the graph; a credit that stands twice counts once', async () => {
    expect(await olap('SELECT person_name FROM casts WHERE title_id = 22 ORDER BY 1')).toEqual([
      { person_name: 'Ann' },
      { person_name: 'Bob' },
      { person_name: 'Nobody' },
    ])
    expect(await graph('MATCH (p:Person)-[:ACTED_IN]->(:Movie {id: 22}) RETURN p.id AS id ORDER BY id')).toEqual([
      { id: 1n },
      { id: 2n },
    ])
  })

  test('a removed credit is removed, and with it a person of whom nothing else is known', async () => {
    expect(await olap('SELECT person_id FROM casts WHERE title_id = 18')).toEqual([{ person_id: 1n }])
    expect(await graph('MATCH (p:Person)-[:ACTED_IN]->(:Movie {id: 18}) RETURN p.id AS id')).toEqual([{ id: 1n }])
    expect(await graph('MATCH (p:Person {id: 3}) RETURN p.id')).toEqual([])
  })
})

describe('dates', () => {
  test('titles older than 1970, and than 1900, keep their date', async () => {
    expect(
      await olap('SELECT release_date::VARCHAR AS d, release_year AS y FROM movies WHERE id IN (11, 12) ORDER BY id'),
    ).toEqual([
      { d: '1927-01-10', y: 1927n },
      { d: '1874-12-09', y: 1874n },
    ])
    expect(await graph('MATCH (m:Movie {id: 12}) RETURN CAST(m.release_date AS STRING) AS d')).toEqual([
      { d: '1874-12-09' },
    ])
    expect(await olap('SELECT first_air_date::VARCHAR AS d FROM tv_series WHERE id = 30')).toEqual([
      { d: '1969-07-20' },
    ])
  })

  test('an empty date is no date', async () => {
    expect(await silver('movies', 13)).toMatchObject({ release_date: null, title: 'Undated' })
  })
})

describe('shapes', () => {
  test('a collection is an object or null', async () => {
    expect(await silver('movies', 13)).toMatchObject({ belongs_to_collection: null })
    expect(await olap('SELECT title_id, collection_name FROM movie_collections')).toEqual([
      { title_id: 14n, collection_name: 'The Collection' },
    ])
  })

  test('keywords of movies and of series stand under different names', async () => {
    expect(await olap('SELECT title_id, keyword_name FROM title_keywords ORDER BY 1')).toEqual([
      { title_id: 15n, keyword_name: 'sea' },
      { title_id: 30n, keyword_name: 'moon' },
    ])
  })

  test('one genre id with two names is two genres', async () => {
    expect(await olap('SELECT name FROM genres WHERE id = 10 ORDER BY 1')).toEqual([
      { name: 'Action & Adventure' },
      { name: 'Adventure' },
    ])
    expect(await graph('MATCH (g:Genre {id: 10}) RETURN count(g) AS n')).toEqual([{ n: 2n }])
  })

  test('a field that appears part of the way through is there from then on', async () => {
    expect(await silver('movies', 24)).toMatchObject({ certification: 'PG' })
    expect(await silver('movies', 11)).toMatchObject({ certification: null })
  })

  test('quotes, SQL and Cypher in names and texts are data', async () => {
    const title = "Robert'); DROP TABLE movies;--"
    expect(await silver('movies', 25)).toMatchObject({ title, overview: '"}) DETACH DELETE n //' })
    expect(await olap('SELECT title FROM movies WHERE id = 25')).toEqual([{ title }])
    expect(
      await graph('MATCH (m:Movie {id: 25})<-[r:ACTED_IN]-() RETURN m.title AS title, r.person_name AS name'),
    ).toEqual([{ title, name: 'O\'Ann \\ " `' }])
  })

  test('a title without any text has no vector', async () => {
    expect(await vectors("SELECT id FROM \"vectors:movies\" WHERE id IN ('26', '25')")).toEqual([{ id: '25' }])
  })
})

describe('order of events', () => {
  test('the newest event wins, a late older one changes nothing', async () => {
    expect(await silver('movies', 20)).toMatchObject({ title: 'Newest' })
  })

  test('of two events of one time the later in the log wins', async () => {
    expect(await silver('movies', 21)).toMatchObject({ title: 'Second of two' })
  })

  test('a deleted title leaves a tombstone in silver and nothing downstream, whatever older comes late', async () => {
    expect(await silver('movies', 19)).toMatchObject({ deleted: true, title: null })
    expect(
      await olap('SELECT id FROM movies WHERE id = 19 UNION ALL SELECT title_id FROM casts WHERE title_id = 19'),
    ).toEqual([])
    expect(await graph('MATCH (m:Movie {id: 19}) RETURN m.id')).toEqual([])
    expect(await vectors('SELECT id FROM "vectors:movies" WHERE id = \'19\'')).toEqual([])
  })

  test('people come before or after their titles: a name from credits until they are known, and again when they are gone', async () => {
    expect(
      await graph(
        'MATCH (p:Person) WHERE p.id IN [1, 2] RETURN p.id AS id, p.name AS name, p.stub AS stub ORDER BY id',
      ),
    ).toEqual([
      { id: 1n, name: 'Ann Example', stub: false },
      { id: 2n, name: 'Bob', stub: true },
    ])
  })
})

describe('only what changed is written', () => {
  test('popularity and votes, order and pictures of credits touch neither relationships nor vectors', () => {
    // Of the four live updates of movies, one (Leaving) changed a credit, and none the embedded text.
    expect(totals.of('silver-movies').written).toMatchObject({ updated: 5 })
    expect(totals.of('graph-movies').written).toMatchObject({
      ownersRewritten: 1,
      ownersSkipped: 3,
      nodesSkipped: 4,
      relationshipsWritten: 0,
      nodesWritten: 0,
      nodesRemoved: 1,
      stubsRemoved: 1,
    })
    expect(totals.of('vectors-movies').written).toEqual({ inserted: 0, updated: 0, deleted: 1, skipped: 4 })
  })

  test('the tables for analysis follow popularity', async () => {
    expect(await olap('SELECT popularity, vote_count FROM movies WHERE id = 16')).toEqual([
      { popularity: 99.5, vote_count: 300n },
    ])
  })
})
