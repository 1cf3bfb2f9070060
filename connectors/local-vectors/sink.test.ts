import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemClock } from '../../engine/clock.ts'
import type { CommitOutcome, Sink } from '../../engine/contracts.ts'
import { type Duckdb, literal, openDuckdb } from '../../engine/duckdb.ts'
import { duckdbStore } from '../../engine/duckdb-store.ts'
import { armFault } from '../../engine/fault-points.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { commitAt } from '../../engine/sink-commit.testing.ts'
import { openVectorStore } from './search.ts'
import { vectorsSink } from './sink.ts'

const embedder = { id: 'test-v1', dimension: 3 }
let duckdb: Duckdb
let dir: string
let files = 0

beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: tmpdir() })
})
afterAll(() => duckdb.close())
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-vectors-'))
})
afterEach(() => {
  armFault(null)
  rmSync(dir, { recursive: true, force: true })
})

function open(namespace = 'movies', by = embedder) {
  const store = duckdbStore({ path: join(dir, 'vectors.duckdb'), duckdb: async () => duckdb })
  const description = { namespace, upserts: 'embedded', deletes: 'gone', embedder: 'test' }
  return {
    sink: vectorsSink({ store, duckdb: async () => duckdb, description, embedder: by, clock: systemClock }),
    ...openVectorStore(store),
  }
}

async function parquet(query: string): Promise<ParquetFile> {
  files += 1
  const path = join(dir, `${files}.parquet`)
  return duckdb.withConnection((connection) => copyToParquet(connection, query, path))
}

/** Rows `[id, vector, title]`. */
async function commit(
  sink: Sink,
  at: number,
  rows: readonly (readonly [id: string, vector: readonly number[], title: string])[],
  gone: readonly string[] = [],
): Promise<CommitOutcome> {
  const outputs = new Map<string, ParquetFile[]>()
  const values = rows.map(([id, vector, title]) => `(${literal(id)}, [${vector}]::FLOAT[], ${literal(title)})`)
  if (rows.length > 0)
    outputs.set('embedded', [await parquet(`FROM (VALUES ${values.join(', ')}) v(id, embedding, title)`)])
  if (gone.length > 0)
    outputs.set('gone', [await parquet(`FROM (VALUES ${gone.map((id) => `(${literal(id)})`).join(', ')}) v(id)`)])
  return sink.commit(commitAt(at, { outputs, pipeline: `p-${sink.name}` }))
}

test('rows without an id, a vector or numbers in it are refused before the store is there, and what they were goes', async () => {
  const { sink, search, counts } = open()
  const batch = async (at: number, ...rows: readonly string[]) =>
    commitAt(at, {
      outputs: new Map([['embedded', [await parquet(`FROM (VALUES ${rows.join(', ')}) v(id, embedding, title)`)]]]),
    })
  const bad = [
    `(NULL, [1, 0, 0]::FLOAT[], 'no id')`,
    `('b', NULL, 'no vector')`,
    `('c', ['nan'::FLOAT, 0, 0], 'no number')`,
    `('d', [0, 'inf'::FLOAT, NULL], 'none')`,
  ]
  const first = await batch(0, `('a', [1, 0, 0]::FLOAT[], 'one')`, ...bad)
  const refused = await sink.prepare(first)
  expect(refused.map(({ input, row, message }) => [input, JSON.parse(row), message])).toEqual([
    ['embedded', { id: 'b', title: 'no vector' }, 'the vector store does not take it: it has no vector'],
    ['embedded', { id: 'c', title: 'no number' }, expect.stringContaining('no number')],
    ['embedded', { id: 'd', title: 'none' }, expect.stringContaining('no number')],
    ['embedded', { id: null, title: 'no id' }, 'the vector store does not take it: it has no id'],
  ])
  expect(await sink.commit(first)).toMatchObject({ kind: 'committed', written: { inserted: 1 } })
  const find = async () => (await search(Float32Array.of(1, 0, 0), { topK: 9, embedder })).map(({ id }) => id)
  expect(await find()).toEqual(['a'])
  const second = await batch(1, `('a', NULL::FLOAT[], 'not any more')`)
  await expect(sink.commit(second)).rejects.toMatchObject({ code: 'SINK_FAILED' })
  expect(await find()).toEqual(['a'])
  expect(await sink.prepare(second)).toHaveLength(1)
  await sink.commit(second)
  expect(await counts()).toEqual(new Map([['movies', 0]]))
})

test('a batch of more vectors than the memory of a store holds is written, and of each id the greatest row', async () => {
  const dimension = 1024
  const { sink, counts, search } = open('people', { id: 'long-v1', dimension })
  const rows = (firstId: number, ids: number, of: string) =>
    `SELECT (${firstId} + i)::VARCHAR AS id, list_resize([i::FLOAT, ${of}::FLOAT], ${dimension}, 0::FLOAT) AS embedding,
      ${literal(of)} AS title FROM range(${ids}) r(i)`
  const written = async (at: number, ...queries: readonly string[]) => {
    const parts = await Promise.all(queries.map(parquet))
    return sink.commit(commitAt(at, { outputs: new Map([['embedded', parts]]) }))
  }
  expect(await written(0, rows(0, 12_000, '1'))).toMatchObject({ written: { inserted: 12_000, updated: 0 } })
  const [ofEach, ofOne] = [rows(11_000, 2_000, '2'), rows(11_000, 2_000, '3')]
  expect(await written(1, ofEach, ofOne)).toMatchObject({ written: { inserted: 1_000, updated: 1_000 } })
  expect(await counts()).toEqual(new Map([['people', 13_000]]))
  const query = new Float32Array(dimension)
  query[1] = 1
  const [best] = await search(query, { topK: 1, embedder: { id: 'long-v1', dimension }, where: { title: '3' } })
  expect(best).toMatchObject({ id: '11000', metadata: { title: '3' } })
})

test('a vector of another length stops a batch before anything is committed, though the store is not there yet', async () => {
  const { sink } = open()
  const rows = await parquet(`SELECT 'a' AS id, [1, 0]::FLOAT[] AS embedding`)
  const prepare = sink.prepare(commitAt(0, { outputs: new Map([['embedded', [rows]]]) }))
  await expect(prepare).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringContaining('has 2 dimensions'),
  })
})

test('a column beside vectors whose type is another stops a batch before anything is committed, though it brings no vector', async () => {
  const { sink } = open()
  await commit(sink, 0, [['a', [1, 0, 0], 'one']])
  const outputs = new Map([['gone', [await parquet(`SELECT 'a' AS id`)]]])
  const columns = new Map([['embedded', [{ name: 'title', type: 'long' } as const]]])
  const prepare = sink.prepare(commitAt(1, { outputs, columns }))
  await expect(prepare).rejects.toMatchObject({ message: expect.stringContaining('title') })
})

test('vectors are found by direction, ties by id, with what is stored beside them', async () => {
  const { sink, search, counts } = open()
  const hostile = `it's "; DROP TABLE x; -- 🎬`
  const written = await commit(sink, 0, [
    ['movie:2', [2, 0, 0], hostile],
    ['movie:1', [1, 0, 0], 'One'],
    ['movie:3', [0, 1, 0], 'Three'],
    ['movie:4', [0, 0, 0], 'None'],
  ])
  expect(written).toEqual({ kind: 'committed', written: { inserted: 4, updated: 0, deleted: 0 } })
  const found = await search(Float32Array.of(1, 0.1, 0), { topK: 10, embedder })
  expect(found.map((match) => [match.id, match.metadata])).toEqual([
    ['movie:1', { title: 'One' }],
    ['movie:2', { title: hostile }],
    ['movie:3', { title: 'Three' }],
  ])
  expect(found[0]).toMatchObject({ namespace: 'movies', score: expect.closeTo(1 / Math.sqrt(1.01), 5) })
  expect(await counts()).toEqual(new Map([['movies', 4]]))
})

test('an upsert replaces, a delete removes, both are counted', async () => {
  const { sink, search } = open()
  await commit(sink, 0, [
    ['a', [1, 0, 0], 'A'],
    ['b', [0, 1, 0], 'B'],
  ])
  expect(await commit(sink, 1, [['a', [0, 0, 1], 'A2']], ['b', 'never there'])).toMatchObject({
    written: { inserted: 0, updated: 1, deleted: 1 },
  })
  const found = await search(Float32Array.of(0, 1, 1), { topK: 10, embedder })
  expect(found.map(({ id, metadata }) => [id, metadata.title])).toEqual([['a', 'A2']])
})

test('namespaces are searched together or alone', async () => {
  await commit(open('movies').sink, 0, [['m', [1, 0, 0], 'M']])
  await commit(open('tv').sink, 0, [['t', [1, 1, 0], 'T']])
  const { search } = open()
  const ids = async (namespace?: string) =>
    (
      await search(Float32Array.of(0, 1, 0), { topK: 1, embedder, ...(namespace === undefined ? {} : { namespace }) })
    ).map((m) => m.id)
  expect(await ids()).toEqual(['t'])
  expect(await ids('movies')).toEqual(['m'])
  await expect(ids('books')).rejects.toMatchObject({
    code: 'TABLE_NOT_FOUND',
    message: expect.stringContaining('vector namespace not found: books; there are: movies, tv'),
  })
})

test('another embedder, another dimension and a vector of another length are refused by name', async () => {
  await commit(open().sink, 0, [['a', [1, 0, 0], 'A']])
  const other = { id: 'test-v2', dimension: 3 }
  await expect(commit(open('movies', other).sink, 1, [])).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringContaining('movies holds vectors of test-v1 (3 dimensions), not of test-v2 (3 dimensions)'),
  })
  await expect(open().search(Float32Array.of(1, 0, 0), { topK: 1, embedder: other })).rejects.toMatchObject({
    code: 'SINK_FAILED',
  })
  await expect(commit(open().sink, 1, [['b', [1, 0], 'B']])).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringContaining('vector of b has 2 dimensions, namespace movies has 3'),
  })
})

test('a fenced commit writes nothing; a fault inside the transaction leaves nothing', async () => {
  const { sink, search } = open()
  armFault({ point: 'store-before-commit', passage: 1, action: 'throw' })
  await expect(commit(sink, 0, [['a', [1, 0, 0], 'A']])).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
  await commit(sink, 0, [['b', [1, 0, 0], 'B']])
  expect(await commit(sink, 5, [['c', [1, 0, 0], 'C']])).toMatchObject({ kind: 'fenced' })
  expect((await search(Float32Array.of(1, 0, 0), { topK: 9, embedder })).map((m) => m.id)).toEqual(['b'])
})
