/** The tables for analysis and the ready queries over them, in both stores: a small catalogue, and what must be known of it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeDataDir, removeAll, runPlatform, simulateInto } from '../../cli/platform.testing.ts'
import { fallbacks, readyQueries } from '../../cli/ready-queries.ts'
import { sendEvents } from '../../cli/send-events.ts'
import { openOlap } from '../../cli/stores.ts'
import { openWorkspace } from '../../cli/workspace.ts'
import type { Clickhouse } from '../../connectors/clickhouse/client.ts'
import { freshDatabase, service } from '../../connectors/clickhouse/service.testing.ts'
import type { ClickhouseSettings } from '../../connectors/clickhouse/settings.ts'
import type { OlapQueries } from '../../connectors/olap/store.ts'
import type { DocumentType, TmdbDocument, TmdbEvent } from '../../connectors/tmdb/event.ts'
import { systemClock, systemIds } from '../../engine/clock.ts'
import { entertainment } from './index.ts'

function event(type: DocumentType, id: number, doc: TmdbDocument | null): TmdbEvent {
  const base = { type, id: BigInt(id), timestampMs: Date.UTC(2026, 0, doc === null ? 2 : 1) }
  return doc === null ? { ...base, op: 'D' } : { ...base, op: 'A', label: 'new', doc: { id, ...doc } }
}

let credits = 0
/** A role as movies list them; several of one person differ in `credit_id`. */
function role(person: { readonly id?: number; readonly name: string; readonly gender?: number }, more: object = {}) {
  credits += 1
  return { ...person, credit_id: `c${credits}`, cast_id: credits, character: 'somebody', order: 0, ...more }
}
const directed = (person: { readonly id?: number; readonly name: string }) =>
  role(person, { department: 'Directing', job: 'Director' })

const ann = { id: 1, name: 'Ann', gender: 1 }
const bob = { id: 2, name: 'Bob', gender: 2 }
const cat = { id: 3, name: 'Cat', gender: 0 }
const lou = { id: 5, name: 'Lou' }
const nobody = { name: 'Nobody' }
const drama = { id: 18, name: 'Drama' }
const fiction = { id: 878, name: 'Science Fiction' }
const [sea, moon] = [
  { id: 5, name: 'sea' },
  { id: 6, name: 'moon' },
]
const collection = { id: 70, name: 'Moon', poster_path: null, backdrop_path: null }
const [one, two] = [
  { id: 9, name: 'One', origin_country: 'NO' },
  { id: 8, name: 'Two', origin_country: '' },
]

const catalogue: readonly TmdbEvent[] = [
  event('movie', 1, {
    title: 'Old Train',
    release_date: '1896-01-06',
    runtime: 1,
    vote_average: 7.5,
    vote_count: 100,
    genres: [drama],
    credits: { cast: [role(ann), { ...nobody, character: 'Passenger' }], crew: [directed(lou)] },
  }),
  event('movie', 2, {
    title: 'Silent Moon',
    release_date: '1927-01-10',
    runtime: 95,
    vote_average: 8.2,
    vote_count: 60,
    budget: 2_000_000,
    revenue: 6_000_000,
    genres: [drama, fiction],
    belongs_to_collection: collection,
    keywords: { keywords: [sea, moon] },
    production_countries: [
      { iso_3166_1: 'DE', name: 'Germany' },
      { iso_3166_1: 'NO', name: 'Norway' },
    ],
    spoken_languages: [{ iso_639_1: 'xx', english_name: 'No Language', name: '' }],
    production_companies: [{ id: 4, name: 'Moon Works', origin_country: 'DE', logo_path: null }],
    credits: {
      cast: [role(ann), role(ann, { character: 'her twin' }), role(bob)],
      crew: [directed(lou), directed(ann)],
    },
  }),
  event('movie', 3, {
    title: 'Loud Moon',
    release_date: '1975-05-05',
    runtime: 125,
    vote_average: 8.2,
    vote_count: 200,
    budget: 3_000_000,
    revenue: 0,
    genres: [fiction, { id: 10, name: 'Adventure' }],
    belongs_to_collection: collection,
    keywords: { keywords: [sea, moon] },
    credits: { cast: [role(ann), role(bob), role(cat)], crew: [directed(lou)] },
  }),
  event('movie', 4, {
    title: 'Undated',
    release_date: '',
    runtime: 0,
    vote_average: 9,
    vote_count: 500,
    genres: [drama],
    belongs_to_collection: null,
    keywords: { keywords: [moon] },
    credits: { cast: [role(ann), role(bob)], crew: [directed({ name: 'Anon' })] },
  }),
  event('movie', 5, {
    title: 'Deleted',
    release_date: '1927-01-10',
    runtime: 90,
    vote_average: 10,
    vote_count: 1000,
    budget: 1_000_000,
    revenue: 9_000_000,
    genres: [drama],
    belongs_to_collection: collection,
    keywords: { keywords: [sea, moon] },
    credits: { cast: [role(ann), role(cat)], crew: [directed(lou), directed(ann)] },
  }),
  event('movie', 6, {
    title: 'Guests',
    release_date: '1980-01-01',
    runtime: 100,
    vote_average: 0,
    vote_count: 0,
    credits: { cast: [nobody, nobody], crew: [] },
  }),
  event('tv_series', 10, {
    name: 'Serial',
    first_air_date: '1969-07-20',
    status: 'Ended',
    number_of_seasons: 3,
    vote_average: 9.5,
    vote_count: 40,
    origin_country: ['NO', 'GB'],
    genres: [{ id: 10, name: 'Action & Adventure' }],
    networks: [one],
    keywords: { results: [sea] },
    seasons: [
      { id: 100, season_number: 0, name: 'Specials', air_date: '', episode_count: 2, poster_path: null },
      { id: 101, season_number: 1, name: 'Season 1', air_date: '1969-07-20', episode_count: 8, poster_path: '/1.jpg' },
    ],
    credits: { cast: [{ id: 3, name: 'Cat', credit_id: 's1', character: 'Host', order: 0 }], crew: [] },
  }),
  event('tv_series', 11, {
    name: 'Running',
    first_air_date: '1978-01-01',
    status: 'Returning Series',
    number_of_seasons: 2,
    vote_average: 8,
    vote_count: 55,
    genres: [{ id: 10, name: 'Action & Adventure' }, fiction],
    networks: [one, two],
    created_by: [{ id: 2, name: 'Bob', credit_id: 's2', gender: 2 }],
    aggregate_credits: {
      cast: [
        {
          ...ann,
          order: 0,
          roles: [
            { credit_id: 's3', character: 'A', episode_count: 3 },
            { credit_id: 's4', character: 'B', episode_count: 1 },
          ],
        },
      ],
      crew: [{ ...lou, department: 'Directing', jobs: [{ credit_id: 's5', job: 'Director', episode_count: 4 }] }],
    },
  }),
  event('tv_series', 12, {
    name: 'Short',
    first_air_date: null,
    status: 'Canceled',
    number_of_seasons: 1,
    networks: [one],
  }),
  event('person', 1, { name: 'Ann', birthday: '1870-02-03', deathday: '1940-01-01', gender: 1 }),
  event('person', 2, { name: 'Bob', birthday: '1899-12-31', gender: 2 }),
  event('person', 3, { name: 'Cat', birthday: '1950-01-01', gender: 3 }),
  event('person', 5, { name: 'Lou', birthday: '1900-01-01' }),
  event('person', 6, { name: 'Zed', birthday: '1850-06-06' }),
  event('person', 7, { name: 'Gone', birthday: '1800-01-01' }),
  event('person', 8, { name: 'Undated', birthday: '' }),
  event('movie', 5, null),
  event('person', 7, null),
]

const ready = new Map(readyQueries().map((query) => [query.name, query]))

/** Rows of a ready query as text, one a line. */
async function answer(store: OlapQueries, name: string, parameters: Record<string, string> = {}): Promise<string[]> {
  const query = ready.get(name)!
  const rows = await store.ask(query.sql, { ...fallbacks(query), ...parameters })
  return rows.map((row) => Object.values(row).map(String).join(' | '))
}

async function asked(store: OlapQueries, sql: string): Promise<string[]> {
  return (await store.ask(sql)).map((row) => Object.values(row).map(String).join(' | '))
}

/** Runs the platform into a store, by configuration alone, and keeps it open for questions. */
async function platformInto(dataDir: string, clickhouse: ClickhouseSettings | null) {
  const workspace = await openWorkspace({ dataDir, workers: 0, memoryLimitBytes: 256 * 2 ** 20, clickhouse })
  const pipelines = entertainment.filter(({ name }) => !/^(graph|vectors)-/.test(name))
  await runPlatform(workspace, { pipelines })
  return { store: await openOlap(workspace), close: () => workspace.close() }
}

const withoutService = service.url === ''

describe.each([
  ['the embedded store', false],
  ['ClickHouse (needs CLICKHOUSE_URL)', true],
])('in %s', (_, real) => {
  describe.skipIf(real && withoutService)('over a catalogue that is known by heart', () => {
    let dataDir: string
    let database: Clickhouse | null = null
    let opened: Awaited<ReturnType<typeof platformInto>>
    let store: OlapQueries
    beforeAll(async () => {
      dataDir = await makeDataDir()
      const told = { logDir: `${dataDir}/log`, partitions: 2, seed: 1, clock: systemClock, ids: systemIds }
      await sendEvents(catalogue, told)
      database = real ? await freshDatabase() : null
      opened = await platformInto(dataDir, database?.settings ?? null)
      store = opened.store
    })
    afterAll(async () => {
      await opened.close()
      await database?.close()
      await removeAll(dataDir)
    })

    test.each<[name: string, parameters: Record<string, string>, rows: string[]]>([
      [
        'genres-by-decade',
        {},
        [
          '1890 | Drama | 1 | 0',
          '1920 | Drama | 1 | 0',
          '1920 | Science Fiction | 1 | 0',
          '1960 | Action & Adventure | 0 | 1',
          '1970 | Science Fiction | 1 | 1',
          '1970 | Action & Adventure | 0 | 1',
          '1970 | Adventure | 1 | 0',
        ],
      ],
      [
        'best-rated',
        {},
        [
          'movie | 4 | Undated | null | 9 | 500',
          'movie | 3 | Loud Moon | 1975 | 8.2 | 200',
          'movie | 2 | Silent Moon | 1927 | 8.2 | 60',
          'tv_series | 11 | Running | 1978 | 8 | 55',
          'movie | 1 | Old Train | 1896 | 7.5 | 100',
        ],
      ],
      ['best-rated', { min_votes: '40', limit: '1' }, ['tv_series | 10 | Serial | 1969 | 9.5 | 40']],
      [
        'prolific-directors',
        {},
        ['5 | Lou | 3 | 1896 | 1975', '1 | Ann | 1 | 1927 | 1927', 'null | Anon | 1 | null | null'],
      ],
      ['co-stars', {}, ['1 | Ann | 2 | Bob | 3']],
      ['co-stars', { min_titles: '1', limit: '2' }, ['1 | Ann | 2 | Bob | 3', '1 | Ann | 3 | Cat | 1']],
      ['networks-by-finished-series', {}, ['9 | One | 2 | 2 | 1', '8 | Two | 0 | null | 1']],
      ['runtimes', {}, ['0 | 1 | 1896 | 1896', '90 | 2 | 1927 | 1980', '120 | 1 | 1975 | 1975']],
      ['runtimes', { minutes: '200' }, ['0 | 4 | 1896 | 1980']],
      ['collections-by-revenue', {}, ['70 | Moon | 2 | 1 | 6000000']],
      ['keywords-together', {}, ['moon | sea | 2 | 0.89']],
      [
        'cast-gender-by-year',
        {},
        [
          '1896 | 2 | 1 | 0 | 0 | 1 | 100',
          '1927 | 2 | 1 | 1 | 0 | 0 | 50',
          '1975 | 3 | 1 | 1 | 1 | 0 | 50',
          '1980 | 1 | 0 | 0 | 0 | 1 | null',
        ],
      ],
      ['born-before', {}, ['6 | Zed | 1850 | null | 0', '1 | Ann | 1870 | 1940 | 5', '2 | Bob | 1899 | null | 4']],
      [
        'born-before',
        { year: '1901', limit: '9' },
        [
          '6 | Zed | 1850 | null | 0',
          '1 | Ann | 1870 | 1940 | 5',
          '2 | Bob | 1899 | null | 4',
          '5 | Lou | 1900 | null | 4',
        ],
      ],
      ['directing-actors', {}, ['1 | Ann | 1 | 1927']],
      ['return-on-budget', {}, ['2 | Silent Moon | 1927 | 2000000 | 6000000 | 3']],
    ])('%s %o', async (name, parameters, rows) => {
      expect(await answer(store, name, parameters)).toEqual(rows)
    })

    test('no role is lost: several of one person, those of guests, and those that series list once a person', async () => {
      expect(
        await asked(
          store,
          'SELECT title_type, title_id, person_name, count(*) FROM casts GROUP BY 1, 2, 3 ORDER BY 1, 2, 3',
        ),
      ).toEqual([
        'movie | 1 | Ann | 1',
        'movie | 1 | Nobody | 1',
        'movie | 2 | Ann | 2',
        'movie | 2 | Bob | 1',
        'movie | 3 | Ann | 1',
        'movie | 3 | Bob | 1',
        'movie | 3 | Cat | 1',
        'movie | 4 | Ann | 1',
        'movie | 4 | Bob | 1',
        'movie | 6 | Nobody | 1', // the same credit, twice in the list
        'tv_series | 10 | Cat | 1',
        'tv_series | 11 | Ann | 2',
      ])
      expect(await asked(store, "SELECT count(*), count(cast_id) FROM casts WHERE title_type = 'tv_series'")).toEqual([
        '3 | 0',
      ])
      expect(
        await asked(store, 'SELECT title_id, person_name, job FROM crews WHERE title_id IN (2, 11) ORDER BY 1, 2'),
      ).toEqual(['2 | Ann | Director', '2 | Lou | Director', '11 | Bob | Creator', '11 | Lou | Director'])
    })

    test.each<[sql: string, rows: string[]]>([
      ['SELECT id, name FROM genres WHERE id = 10 ORDER BY name', ['10 | Action & Adventure', '10 | Adventure']],
      ['SELECT code, name FROM countries ORDER BY code', ['DE | Germany', 'NO | Norway']],
      [
        'SELECT title_type, title_id, language_code, language_name FROM title_languages',
        ['movie | 2 | xx | No Language'],
      ],
      ['SELECT title_id, country_code FROM title_origin_countries ORDER BY 2', ['10 | GB', '10 | NO']],
      ['SELECT company_name, origin_country FROM title_companies', ['Moon Works | DE']],
      ['SELECT DISTINCT network_name, origin_country FROM title_networks ORDER BY 1', ['One | NO', 'Two | ']],
      ['SELECT title_id, person_id, person_name FROM creators', ['11 | 2 | Bob']],
      ['SELECT title_id, collection_name FROM movie_collections ORDER BY 1', ['2 | Moon', '3 | Moon']],
      [
        'SELECT season_number, episode_count, air_date IS NULL AS undated, poster_path FROM seasons ORDER BY 1',
        [`0 | 2 | ${real ? 1 : true} | null`, `1 | 8 | ${real ? 0 : false} | /1.jpg`],
      ],
    ])('%s', async (sql, rows) => {
      expect(await asked(store, sql)).toEqual(rows)
    })

    test('values never become part of the text, and what does not fit is told by name', async () => {
      const ask = (sql: string, parameters: Record<string, string>) => store.ask(sql, parameters)
      const name = "'); DROP TABLE movies; --\\"
      expect(await ask('SELECT {name:String} AS name', { name })).toEqual([{ name }])
      await expect(ask('SELECT {a:UInt32} + {b:UInt32} AS n', { b: '1', c: '2' })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        problems: [
          '--param a: is needed (--param a=<value>)',
          '--param c: the query has no such parameter (it takes a, b)',
        ],
      })
      await expect(ask('SELECT {a:UInt32} AS n', { a: 'many' })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        problems: ['--param a: must be a whole number from 0 to 4294967295, not "many"'],
      })
      expect(await ask("SELECT '{x:UInt8}' AS text -- {y:UInt8}", {})).toEqual([{ text: '{x:UInt8}' }])
    })

    test('a table is there as soon as its pipeline has run, rows or not', async () => {
      const empty = real ? await freshDatabase() : null
      const dir = await makeDataDir()
      const told = { logDir: `${dir}/log`, partitions: 1, seed: 1, clock: systemClock, ids: systemIds }
      await sendEvents(
        [event('movie', 1, { title: 'Alone' }), event('tv_series', 1, { name: 'Alone', status: 'Ended' })],
        told,
      )
      const alone = await platformInto(dir, empty?.settings ?? null)
      try {
        for (const table of [
          'casts',
          'crews',
          'title_keywords',
          'title_networks',
          'movie_collections',
          'seasons',
          'genres',
        ])
          expect(await asked(alone.store, `SELECT * FROM ${table}`), table).toEqual([])
        expect(await answer(alone.store, 'keywords-together')).toEqual([])
        expect(await answer(alone.store, 'co-stars')).toEqual([])
      } finally {
        await alone.close()
        await empty?.close()
        await removeAll(dir)
      }
    })

    test('a table that is not there is named', async () => {
      await expect(store.ask('SELECT 1 FROM films')).rejects.toMatchObject({
        code: 'TABLE_NOT_FOUND',
        message: expect.stringContaining('the olap store has no table films ('),
      })
    })

    test.each([
      'DROP TABLE movies',
      'INSERT INTO movies (id) VALUES (1)',
      'CREATE TABLE t AS SELECT 1 AS one',
      'SELECT 1; DROP VIEW genres',
      'ALTER TABLE movies ADD COLUMN c BIGINT',
    ])('%s is refused', async (sql) => {
      await expect(store.ask(sql)).rejects.toMatchObject({ code: 'SINK_FAILED' })
      expect(await asked(store, 'SELECT count(*) FROM movies')).toEqual(['5'])
    })
  })
})

test.skipIf(withoutService)(
  'on a generated platform both stores give the same answers (needs CLICKHOUSE_URL)',
  async () => {
    const dataDir = await makeDataDir()
    const seed = Date.now() % 2 ** 31
    console.log(`seed ${seed}`)
    await simulateInto(dataDir, { seed, titles: 120 })
    const database = await freshDatabase()
    const embedded = await platformInto(dataDir, null)
    const real = await platformInto(dataDir, database.settings)
    try {
      const low = { min_votes: '1', min_titles: '1', min_budget: '0', year: '2000', limit: '1000' }
      for (const query of ready.values()) {
        const lowest = Object.fromEntries(Object.entries(low).filter(([name]) => name in fallbacks(query)))
        const [left, right] = [
          await answer(embedded.store, query.name, lowest),
          await answer(real.store, query.name, lowest),
        ]
        expect(right, query.name).toEqual(left)
        expect(left.length, query.name).toBeGreaterThan(0)
      }
    } finally {
      await embedded.close()
      await real.close()
      await database.close()
      await removeAll(dataDir)
    }
  },
  180_000,
)
