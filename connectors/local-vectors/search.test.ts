import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemClock } from '../../engine/clock.ts'
import { type Duckdb, literal, openDuckdb } from '../../engine/duckdb.ts'
import { duckdbStore } from '../../engine/duckdb-store.ts'
import { commitAt } from '../../engine/sink-commit.testing.ts'
import type { MetadataFilter, VectorStore } from '../vectors/store.ts'
import { openVectorStore } from './search.ts'
import { vectorsSink } from './sink.ts'

const embedder = { id: 'test-v1', dimension: 2 }
const dir = mkdtempSync(join(tmpdir(), 'millrace-vector-search-'))
let duckdb: Duckdb
let store: VectorStore

beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: tmpdir() })
  const file = duckdbStore({ path: join(dir, 'vectors.duckdb'), duckdb: async () => duckdb })
  store = openVectorStore(file)
  const fill = async (namespace: string, query: string) => {
    const path = join(dir, `${namespace}.parquet`)
    const parquet = await duckdb.withConnection((connection) => copyToParquet(connection, query, path))
    const description = { namespace, upserts: 'rows', embedder: 'test' }
    await vectorsSink({ store: file, duckdb: async () => duckdb, description, embedder, clock: systemClock }).commit(
      commitAt(0, { pipeline: namespace, txnId: namespace, outputs: new Map([['rows', [parquet]]]) }),
    )
  }
  const titles = titlesOf.map(
    ([id, title, year, genres]) =>
      `(${literal(id)}, [1, 0]::FLOAT[], ${literal(title)}, ${year}::BIGINT, ${genres === null ? 'NULL' : `[${genres.map(literal).join(', ')}]`}::VARCHAR[])`,
  )
  await fill('movies', `FROM (VALUES ${titles.join(', ')}) v(id, embedding, title, year, genres)`)
  await fill('people', `FROM (VALUES ('9', [1, 0]::FLOAT[], 'Ann', 'Acting')) v(id, embedding, title, department)`)
})
afterAll(async () => {
  await duckdb.close()
  rmSync(dir, { recursive: true, force: true })
})

/** Id, title, year, genres. */
const titlesOf: readonly (readonly [string, string, number | null, readonly string[] | null])[] = [
  ['1', 'Heat', 1995, ['Crime', 'Drama']],
  ['2', 'ALIEN', 1979, ['Horror', 'Science Fiction']],
  ['3', 'Amélie', 2001, ['Comédie', "it's"]],
  ['4', 'Undated', null, null],
]

async function found(where: MetadataFilter, namespace?: string): Promise<string[]> {
  const of = namespace === undefined ? {} : { namespace }
  const matches = await store.search(Float32Array.of(1, 0), { topK: 100, embedder, where, ...of })
  return matches.map(({ id }) => id)
}

test.each<readonly [what: string, where: MetadataFilter, ids: readonly string[]]>([
  ['nothing asked for', {}, ['1', '2', '3', '4', '9']],
  ['a text in any case', { title: 'alien' }, ['2']],
  ['a text beyond ASCII in any case', { title: 'AMÉLIE' }, ['3']],
  ['the whole text, not a part', { title: 'Ali' }, []],
  ['an element of a list in any case', { genres: 'drama' }, ['1']],
  ['an element of several words', { genres: 'science fiction' }, ['2']],
  ['the whole element, not a part', { genres: 'Science' }, []],
  ['a number', { year: 1995 }, ['1']],
  ['a number as text', { year: '1995' }, ['1']],
  ['both bounds, included', { year: { from: 1979, to: 1995 } }, ['1', '2']],
  ['a lower bound', { year: { from: 1996 } }, ['3']],
  ['an upper bound', { year: { to: 1979 } }, ['2']],
  ['that there is a number at all', { year: {} }, ['1', '2', '3']],
  ['all of several', { year: { from: 1990 }, genres: 'Crime', title: 'heat' }, ['1']],
  ['several of which one does not hold', { year: { from: 1996 }, genres: 'Crime' }, []],
  ['a number of a column of text', { title: 1995 }, []],
  ['bounds of a column of lists', { genres: { from: 1 } }, []],
  ['a column that only another namespace has', { department: 'acting' }, ['9']],
  ['a column that nobody has', { colour: 'red' }, []],
  ['the vector itself', { embedding: 1 }, []],
])('a filter finds what it asks for: %s', async (_, where, ids) => {
  expect(await found(where)).toEqual(ids)
})

test('a column that the chosen namespace lacks finds nothing there', async () => {
  expect(await found({ year: { from: 1 } }, 'people')).toEqual([])
  expect(await found({ department: 'Acting' }, 'movies')).toEqual([])
})

test('filters narrow what is ranked, not what was ranked', async () => {
  const options = { topK: 1, embedder, where: { title: 'amélie' } }
  expect((await store.search(Float32Array.of(0.1, 1), options)).map(({ id }) => id)).toEqual(['3'])
})

test('whatever a filter holds is a value, never part of the statement', async () => {
  expect(await found({ genres: "it's" })).toEqual(['3'])
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), async (column, value) => {
      const known = ['title', 'year', 'genres', 'department']
      for (const name of [...known, column]) {
        const wanted = { [name]: value }
        const ids = await found(wanted)
        if (!known.includes(name)) expect(ids).toEqual([])
      }
    }),
    { numRuns: 30 },
  )
  expect(await found({})).toHaveLength(5)
})
