/** Objects that are no titles, and records that do not agree with themselves. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Bench, openBench } from '../../operators/relational/bench.testing.ts'
import { documentTypes, type Kind, kinds } from './kinds.ts'
import { type BronzeRecord, type Document, recordOf, throughSilver } from './layers.testing.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
})
afterAll(() => bench.close())

/** Ids that became rows, and why the others did not. */
async function judged(kind: Kind, records: readonly BronzeRecord[]) {
  const ran = await throughSilver(bench, kind, records)
  const letters = await ran.output('identity.rejected')
  return {
    ids: ran.rows.map(({ id }) => Number(id)).sort((a, b) => a - b),
    letters: letters
      .toSorted((a, b) => Number(a.offset) - Number(b.offset))
      .map(({ offset, code, message }) => `${offset} ${code} ${message}`),
  }
}

const movie = { id: 1, title: 'A film', original_title: 'A film', release_date: '2001-01-01', overview: 'x' }
const series = { id: 2, name: 'A series', original_name: 'A series', first_air_date: '2001-01-01', overview: 'x' }
const person = { id: 3, name: 'Ann', gender: 1, known_for_department: 'Acting', biography: '' }

/** As the API gives them, short of what does not matter. */
const foreign: readonly (readonly [what: string, document: Document])[] = [
  ['parts', { id: 10, name: 'C', original_language: 'en', original_name: 'C', overview: 'c', parts: [{ id: 1 }] }],
  ['media_type', { id: 11, title: 'C', original_title: 'C', media_type: 'collection', overview: 'c' }],
  ['season_number', { id: 12, name: 'Season 1', air_date: '2011-04-17', season_number: 1, episodes: [], overview: '' }],
  ['season_number', { id: 13, name: 'Pilot', episode_number: 1, season_number: 1, show_id: 7, runtime: 50 }],
  ['item_count', { id: 14, name: 'My list', created_by: [], items: [], item_count: 0, favorite_count: 0 }],
  ['headquarters', { id: 15, name: 'Works', headquarters: 'Paris', homepage: '', logo_path: null, description: '' }],
  ['no field', { id: 16, name: 'sea' }],
  ['no field', { id: 17, name: 'C', original_name: 'C', original_language: 'en', overview: 'c', poster_path: null }],
  ['no field', { id: 18, cast: [], crew: [] }],
]

test.each<[Kind, Document, readonly Document[]]>([
  ['movies', movie, [series, person]],
  ['tv_series', series, [movie, person]],
  ['people', person, [movie, series]],
])('%s take no other object for one of theirs', async (kind, own, others) => {
  const foreigners = [...foreign.map(([, document]) => document), ...others]
  const said = { ...own, id: 20, media_type: { movies: 'movie', tv_series: 'tv', people: 'person' }[kind] }
  const { ids, letters } = await judged(kind, [own, said, ...foreigners].map(recordOf))
  expect(ids).toEqual([own.id, 20].sort((a, b) => a - b))
  const whys = [...foreign.map(([why]) => why), 'it has', 'it has']
  expect(letters).toEqual(
    whys.map((why, i) =>
      expect.stringMatching(new RegExp(`^${i + 2} EXPECTATION_FAILED breaks: is of ${kind}: .*${why}`)),
    ),
  )
})

test('a collection does not replace the series of its id', async () => {
  const [, collection] = foreign[0]!
  const { ids, letters } = await judged('tv_series', [recordOf(series), recordOf({ ...collection, id: series.id })])
  expect([ids, letters]).toEqual([
    [series.id],
    ['1 EXPECTATION_FAILED breaks: is of tv_series: it has parts, as a collection has'],
  ])
})

test('a record has one id: its own, its document, and its key where that is a number', async () => {
  const records: BronzeRecord[] = [
    { id: 1, key: '1', document: movie },
    { id: 2, key: '2', document: { ...movie, id: 7 } },
    { id: 3, key: '9', document: { ...movie, id: 3 } },
    { id: 4, key: null, document: { ...movie, id: 4 } },
    { id: 5, key: 'eu-west', document: { ...movie, id: 5 } },
    { id: 6, key: '6', document: { ...movie, id: undefined } },
    { id: 8, key: '8', document: null },
  ]
  const { ids, letters } = await judged('movies', records)
  expect(ids).toEqual([1, 4, 5, 6, 8])
  expect(letters).toEqual([
    '1 EXPECTATION_FAILED breaks: one id: the record is of id 2, its document of id 7',
    '2 EXPECTATION_FAILED breaks: one id: the record is of id 3, its key says 9',
  ])
})

const real = resolve(import.meta.dirname, '../../../shared/data/tmdb')

test.skipIf(!existsSync(real))('no real document is refused (skipped where they are absent)', async () => {
  const samples = readdirSync(join(real, 'api-samples')).map((file) => join('api-samples', file))
  const documents: Record<Kind, Document[]> = { movies: [], tv_series: [], people: [] }
  for (const file of ['movies.jsonl.gz', 'tv.jsonl.gz', 'history.jsonl.gz', ...samples])
    for (const line of linesOf(join(real, file))) {
      const { type, doc } = line as { readonly type?: string; readonly doc?: Document }
      const kind = doc === undefined ? kindOfFile(file) : (kinds.find((each) => documentTypes[each] === type) ?? null)
      if (kind !== null) documents[kind].push(doc ?? (line as Document))
    }
  for (const kind of kinds) {
    const ids = new Set(documents[kind].map(({ id }) => id))
    const { ids: found, letters } = await judged(kind, documents[kind].map(recordOf))
    expect(letters).toEqual([])
    expect(found).toHaveLength(ids.size)
    console.log(`${documents[kind].length} documents of ${kind}`)
  }
})

function linesOf(path: string): unknown[] {
  const text = gunzipSync(readFileSync(path)).toString()
  return path.endsWith('.jsonl.gz')
    ? text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
    : [JSON.parse(text)]
}

function kindOfFile(file: string): Kind | null {
  if (/movies\.jsonl|movie[-_]details|discover-movie/.test(file)) return 'movies'
  if (/tv\.jsonl|tv[-_]details/.test(file)) return 'tv_series'
  return /person_details/.test(file) ? 'people' : null
}
