/** What titles link to, where documents leave out what names it. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Bench, openBench } from '../../operators/relational/bench.testing.ts'
import { knowledgeGraph } from './graph.ts'
import type { Kind } from './kinds.ts'
import { behindSilver, type Document } from './layers.testing.ts'
import { olapTables } from './olap.ts'
import { searchVectors } from './vectors.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
})
afterAll(() => bench.close())

async function rowsOf(table: string, document: Document, kind: Kind = 'movies') {
  const [rows] = await behindSilver(bench, { kind, documents: [document], layer: olapTables }, [table])
  return rows!
}

async function nodesOf(step: string, document: Document, kind: Kind = 'movies') {
  const [rows] = await behindSilver(bench, { kind, documents: [document], layer: knowledgeGraph }, [step])
  return rows!
}

async function textsOf(document: Document, kind: Kind = 'movies') {
  const [rows] = await behindSilver(bench, { kind, documents: [document], layer: texts }, ['with-text'])
  return rows!
}

/** The steps of the vectors up to the embedding, which is no relational one. */
function texts(kind: Kind) {
  const pipeline = searchVectors(kind)
  return { ...pipeline, steps: pipeline.steps.filter(({ kind: step }) => step !== 'embed') }
}

test('a language without an English name goes by its own, and two of them are two', async () => {
  const spoken_languages = [
    { iso_639_1: 'de', english_name: 'German', name: 'Deutsch' },
    { iso_639_1: 'fr', name: 'Français' },
    { iso_639_1: '', english_name: '', name: 'Elvish' },
    { iso_639_1: '', english_name: ' ', name: 'Klingon' },
    { iso_639_1: '', english_name: '', name: '' },
  ]
  const rows = await rowsOf('title_languages', { id: 1, title: 'A', spoken_languages })
  expect(rows.map((row) => [row.language_code, row.language_name])).toEqual([
    ['de', 'German'],
    ['fr', 'Français'],
    [null, 'Elvish'],
    [null, 'Klingon'],
  ])
})

test('what has no id is told apart by its name, what has neither is nothing', async () => {
  const production_companies = [
    { id: 0, name: 'One' },
    { id: 0, name: 'Two' },
    { id: null, name: 'Three' },
    { name: 'Four' },
    { id: 7, name: '' },
    { id: 7, name: null },
    { id: null, name: ' ' },
    {},
  ]
  const document = { id: 1, title: 'A', production_companies }
  const wanted = [
    [0n, 'One'],
    [0n, 'Two'],
    [7n, null],
    [null, 'Four'],
    [null, 'Three'],
  ]
  const rows = await rowsOf('title_companies', document)
  expect(rows.map((row) => [row.company_id, row.company_name])).toEqual(wanted)
  const nodes = (await nodesOf('company', document)).map(({ id, name }) => [id, name])
  expect(nodes.sort()).toEqual(wanted.toSorted())
})

test('a country without a code is told apart by its name', async () => {
  const production_countries = [
    { iso_3166_1: '', name: 'Atlantis' },
    { iso_3166_1: '', name: 'Utopia' },
    { iso_3166_1: '', name: '' },
  ]
  const rows = await rowsOf('title_countries', { id: 1, title: 'A', production_countries })
  expect(rows.map((row) => row.country_name)).toEqual(['Atlantis', 'Utopia'])
})

test('a place of origin without a code is none', async () => {
  const document = { id: 1, name: 'A', origin_country: ['NO', '', ' ', null, 'GB'] }
  expect((await rowsOf('title_origin_countries', document, 'tv_series')).map((row) => row.country_code)).toEqual([
    'GB',
    'NO',
  ])
})

test.each<[Kind, Document, string]>([
  ['movies', { id: 1, title: '', original_title: 'Одержимость' }, 'title'],
  ['tv_series', { id: 1, name: ' ', original_name: 'Одержимость', number_of_seasons: 1 }, 'name'],
  ['people', { id: 1, name: '', original_name: 'Одержимость', gender: 0 }, 'name'],
])('%s without a name go by their original one, in every store', async (kind, document, column) => {
  const name = 'Одержимость'
  expect(await rowsOf(kind, document, kind)).toMatchObject([{ [column]: name }])
  const people = kind === 'people'
  const nodes = await nodesOf(people ? 'people' : 'titles', document, kind)
  expect(nodes).toMatchObject([{ [people ? 'name' : 'title']: name }])
  expect(await textsOf(document, kind)).toMatchObject([{ title: name, text: name }])
})

test('genres without a name say nothing of a title', async () => {
  const document = { id: 1, title: 'A', genres: [{ id: 1, name: '' }, { id: 2 }, { id: 3, name: 'Drama' }] }
  expect(await textsOf(document)).toMatchObject([{ genres: ['Drama'], text: 'A\nDrama' }])
})
