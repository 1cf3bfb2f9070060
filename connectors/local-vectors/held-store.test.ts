import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemClock } from '../../engine/clock.ts'
import type { Clock } from '../../engine/contracts.ts'
import { type Duckdb, literal, openDuckdb } from '../../engine/duckdb.ts'
import { type DuckdbStore, duckdbStore } from '../../engine/duckdb-store.ts'
import { commitAt } from '../../engine/sink-commit.testing.ts'
import type { Match, SearchOptions, VectorStore } from '../vectors/store.ts'
import { openHeldStore } from './held-store.ts'
import { openVectorStore } from './search.ts'
import { vectorsSink } from './sink.ts'

const embedder = { id: 'test-v1', dimension: 5 }
const titles = { columns: ['title', 'original'], mostFirst: 'votes' }
const mib = 2 ** 20
/** Whole numbers as text: no number in JSON is a bigint. */
const toJson = (value: unknown) => JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? `${each}` : each))
let duckdb: Duckdb
let dir: string
let file: DuckdbStore
let commits = 0
let filters = 0

beforeAll(async () => {
  duckdb = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: tmpdir() })
})
afterAll(() => duckdb.close())
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-held-vectors-'))
  file = duckdbStore({ path: join(dir, 'vectors.duckdb'), duckdb: async () => duckdb })
})
afterEach(async () => {
  await file.release()
  rmSync(dir, { recursive: true, force: true })
})

interface Row {
  readonly id: string
  readonly vector: readonly number[]
  readonly title?: string
  readonly year?: number | null | undefined
  readonly genres?: readonly string[]
}

async function commit(namespace: string, rows: readonly Row[], gone: readonly string[] = []): Promise<void> {
  commits += 1
  const written = async (name: string, query: string) => {
    const path = join(dir, `${commits}-${name}.parquet`)
    return duckdb.withConnection((connection) => copyToParquet(connection, query, path))
  }
  const values = rows.map(
    ({ id, vector, title = '', year = null, genres = [] }) =>
      `(${literal(id)}, [${vector}]::FLOAT[], ${literal(title)}, ${year}::BIGINT, [${genres.map(literal)}]::VARCHAR[])`,
  )
  const outputs = new Map()
  if (rows.length > 0)
    outputs.set('rows', [await written('rows', `FROM (VALUES ${values}) v(id, embedding, title, year, genres)`)])
  if (gone.length > 0)
    outputs.set('gone', [await written('gone', `FROM (VALUES ${gone.map((id) => `(${literal(id)})`)}) v(id)`)])
  const description = { namespace, upserts: 'rows', deletes: 'gone', embedder: 'test' }
  const outcome = await vectorsSink({
    store: file,
    duckdb: async () => duckdb,
    description,
    embedder,
    clock: systemClock,
  }).commit(commitAt(0, { pipeline: `p${commits}`, txnId: `t${commits}`, outputs }))
  expect(outcome.kind).toBe('committed')
}

/** A clock that stands still until it is moved on. */
function clockAt(): Clock & { nowMs(): number; move(ms: number): void } {
  let nowMs = 0
  return {
    nowMs: () => nowMs,
    sleep: async () => {},
    move(ms) {
      nowMs += ms
    },
  }
}

/** Once what was committed is read: a filter that is new is answered by the store, after all that is committed. */
async function followed(store: VectorStore, clock: { move(ms: number): void }): Promise<void> {
  clock.move(1_000)
  filters += 1
  await store.search(Float32Array.of(1, 1, 1, 1, 1), { topK: 1, embedder, where: { title: `none ${filters}` } })
}

const element = fc.integer({ min: -3, max: 3 })
const vector = fc.array(element, { minLength: 5, maxLength: 5 })
const row: fc.Arbitrary<Row> = fc.record({
  id: fc.integer({ min: 0, max: 40 }).map(String),
  vector,
  title: fc.constantFrom('Heat', 'heat', 'Élan', 'x'),
  year: fc.option(fc.integer({ min: 1990, max: 1995 })),
  genres: fc.subarray(['Drama', 'Crime', 'War']),
})
const batch = fc.record({
  namespace: fc.constantFrom('movies', 'people'),
  rows: fc.uniqueArray(row, { selector: ({ id }) => id, minLength: 1, maxLength: 25 }),
  gone: fc.array(fc.integer({ min: 0, max: 40 }).map(String), { maxLength: 8 }),
})
const question = fc.record({
  vector,
  topK: fc.integer({ min: 1, max: 30 }),
  where: fc.constantFrom(
    {},
    { genres: 'drama' },
    { year: { from: 1992 } },
    { title: 'HEAT', year: 1991 },
    { nothing: 1 },
  ),
  namespace: fc.constantFrom(undefined, 'movies'),
  leastScore: fc.constantFrom(-2, 0.1),
})

/** Scores of the store are sums of 32-bit floats in an order of its own: what differs by less is in no order. */
function comparable(matches: readonly Match[]) {
  return matches
    .map(({ score, json: _, ...match }) => ({ score: Math.round(score * 1e4), ...match }))
    .sort((a, b) => b.score - a.score || (`${a.namespace} ${a.id}` < `${b.namespace} ${b.id}` ? -1 : 1))
}

test('law: vectors in memory find what the store finds, after any commits, however much memory there is', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(batch, { minLength: 1, maxLength: 3 }),
      fc.array(question, { minLength: 2, maxLength: 4 }),
      fc.constantFrom(64 * mib, 160_000, 0),
      async (batches, questions, limitBytes) => {
        await file.release()
        rmSync(file.path, { force: true })
        rmSync(`${file.path}.wal`, { force: true })
        await commit('movies', [{ id: 'first', vector: [1, 0, 0, 0, 0] }])
        const clock = clockAt()
        const [held, direct] = [
          openHeldStore({ store: file, clock, limitBytes, titles, toJson }),
          openVectorStore(file),
        ]
        for (const { namespace, rows, gone } of batches) {
          await commit(namespace, rows, gone)
          await followed(held, clock)
          for (const { namespace, vector, ...rest } of questions) {
            const options: SearchOptions = { ...rest, embedder, ...(namespace === undefined ? {} : { namespace }) }
            const query = Float32Array.from(vector)
            const [all, wanted] = await Promise.all([
              held.search(query, options),
              direct.search(query, { ...options, topK: 1_000 }),
            ])
            const least = wanted[options.topK - 1]?.score ?? -2
            expect(all).toHaveLength(Math.min(options.topK, wanted.length))
            const inOrder = comparable(wanted).filter(({ score }) => score > Math.round(least * 1e4))
            expect(comparable(all).slice(0, inOrder.length)).toEqual(inOrder)
            for (const each of comparable(all)) expect(comparable(wanted)).toContainEqual(each)
          }
        }
      },
    ),
    { numRuns: 12 },
  )
}, 120_000)

test('what is stored beside a vector is there in JSON as well, also when it was changed', async () => {
  await commit('movies', [{ id: 'a', vector: [1, 0, 0, 0, 0], title: 'Heat "Élan"', year: 1995, genres: ['Crime'] }])
  const clock = clockAt()
  const held = openHeldStore({ store: file, clock, limitBytes: mib, titles, toJson })
  const found = async () => {
    const [match] = await held.search(Float32Array.of(1, 0, 0, 0, 0), { topK: 1, embedder })
    expect(Buffer.from(match!.json!).toString()).toBe(toJson(match!.metadata))
    return JSON.parse(Buffer.from(match!.json!).toString())
  }
  expect(await found()).toEqual({ title: 'Heat "Élan"', year: '1995', genres: ['Crime'] })
  await commit('movies', [{ id: 'a', vector: [1, 0, 0, 0, 0], title: 'Cold', year: 1996 }])
  await followed(held, clock)
  expect(await found()).toEqual({ title: 'Cold', year: '1996', genres: [] })
})

test('ties are in the order of their ids, and a vector that is all zero is not found', async () => {
  await commit('movies', [
    { id: 'b', vector: [3, 0, 0, 0, 0] },
    { id: 'a', vector: [7, 0, 0, 0, 0] },
    { id: 'c', vector: [0, 0, 0, 0, 0] },
  ])
  const held = openHeldStore({ store: file, clock: clockAt(), limitBytes: mib, titles, toJson })
  const ids = async (topK: number) =>
    (await held.search(Float32Array.of(0.3, 0.1, 0, 0, 0), { topK, embedder })).map(({ id }) => id)
  expect(await ids(9)).toEqual(['a', 'b'])
  expect(await ids(1)).toEqual(['a'])
  expect(await held.search(new Float32Array(5), { topK: 9, embedder })).toEqual([])
})

test('a search does not wait for what was committed since, and a later one finds it', async () => {
  await commit('movies', [{ id: 'a', vector: [1, 0, 0, 0, 0] }])
  const clock = clockAt()
  const reading = Promise.withResolvers<void>()
  let slow = false
  const slowFile: DuckdbStore = {
    ...file,
    use: async (mode, work, signal) => {
      if (slow) await reading.promise
      return file.use(mode, work, signal)
    },
  }
  const held = openHeldStore({ store: slowFile, clock, limitBytes: mib, titles, toJson })
  const ids = async () => (await held.search(Float32Array.of(1, 0, 0, 0, 0), { topK: 9, embedder })).map(({ id }) => id)
  expect(await ids()).toEqual(['a'])
  await commit('movies', [{ id: 'b', vector: [1, 0, 0, 0, 0] }], ['a'])
  clock.move(1_000)
  slow = true
  expect(await ids()).toEqual(['a'])
  expect(await ids()).toEqual(['a'])
  reading.resolve()
  slow = false
  await followed(held, clock)
  expect(await ids()).toEqual(['b'])
})

/** The store, and how many vectors each part that is read of it has. */
function countingReads() {
  const read: number[] = []
  const store: DuckdbStore = {
    ...file,
    use: (mode, work, signal) =>
      file.use(
        mode,
        (connection) =>
          work({
            ...connection,
            async *keyedVectors(sql, parameters) {
              for await (const part of connection.keyedVectors(sql, parameters)) {
                read.push(part.keys.length)
                yield part
              }
            },
          }),
        signal,
      ),
  }
  return { store, read }
}

test('only what was changed is read again', async () => {
  const many = Array.from({ length: 300 }, (_, i) => ({ id: `${i}`, vector: [1, i, 0, 0, 0] }))
  await commit('movies', many)
  const clock = clockAt()
  const { store, read } = countingReads()
  const held = openHeldStore({ store, clock, limitBytes: mib, titles, toJson })
  await followed(held, clock)
  expect(read).toEqual([300])
  await commit('movies', [{ id: '7', vector: [0, 0, 0, 0, 1] }], ['8'])
  await followed(held, clock)
  expect(read).toEqual([300, 1])
  const found = await held.search(Float32Array.of(0, 0, 0, 0, 1), { topK: 1, embedder })
  expect(found.map(({ id }) => id)).toEqual(['7'])
  for (let i = 0; i < 70; i += 1) await commit('movies', [{ id: 'x', vector: [0, 0, 1, 0, i] }])
  await followed(held, clock)
  expect(read.slice(2).reduce((a, b) => a + b)).toBe(300) // more commits than the store remembers: all of it
}, 60_000)

test('what did not fit into the memory is not read again for a change that leaves as much of it', async () => {
  const long = 'x'.repeat(1_000)
  const rows = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => ({ id: `${from + i}`, vector: [1, i, 0, 0, 0], title: long }))
  await commit('movies', rows(0, 300))
  const clock = clockAt()
  const { store, read } = countingReads()
  const held = openHeldStore({ store, clock, limitBytes: 300 * 2 ** 10, titles, toJson })
  const find = async () =>
    (await held.search(Float32Array.of(1, 0, 0, 0, 0), { topK: 1, embedder })).map(({ id }) => id)
  await followed(held, clock)
  expect(read).toEqual([300])
  expect(await find()).toEqual(['0'])
  await commit('movies', [{ id: '300', vector: [1, 0, 0, 0, 0], title: long }], ['0'])
  await followed(held, clock)
  expect(read).toEqual([300])
  expect(await find()).toEqual(['300'])
  await commit(
    'movies',
    [],
    rows(10, 300).map(({ id }) => id),
  )
  await followed(held, clock)
  expect(read).toEqual([300, 10])
  expect(await find()).toEqual(['300'])
})

test('another store at the same path is read as a whole', async () => {
  await commit('movies', [{ id: 'a', vector: [1, 0, 0, 0, 0] }])
  const clock = clockAt()
  const held = openHeldStore({ store: file, clock, limitBytes: mib, titles, toJson })
  await followed(held, clock)
  await file.release()
  rmSync(file.path)
  await commit('movies', [{ id: 'b', vector: [1, 0, 0, 0, 0] }])
  await followed(held, clock)
  const found = await held.search(Float32Array.of(1, 0, 0, 0, 0), { topK: 9, embedder })
  expect(found.map(({ id }) => id)).toEqual(['b'])
})

test('what failed to be read is told to the next search, and read by the one after', async () => {
  await commit('movies', [{ id: 'a', vector: [1, 0, 0, 0, 0] }])
  const clock = clockAt()
  let fails = false
  const failing: DuckdbStore = {
    ...file,
    use: (mode, work, signal) => (fails ? Promise.reject(new Error('held')) : file.use(mode, work, signal)),
  }
  const held = openHeldStore({ store: failing, clock, limitBytes: mib, titles, toJson })
  const search = () => held.search(Float32Array.of(1, 0, 0, 0, 0), { topK: 9, embedder })
  expect(await search()).toHaveLength(1)
  await commit('movies', [{ id: 'b', vector: [1, 0, 0, 0, 0] }])
  clock.move(1_000)
  fails = true
  expect(await search()).toHaveLength(1)
  await expect(search()).rejects.toThrow('held')
  fails = false
  expect(await search()).toHaveLength(2)
})

test('a search that was given up does not wait, and the reading goes on for others', async () => {
  await commit('movies', [{ id: 'a', vector: [1, 0, 0, 0, 0] }])
  const reading = Promise.withResolvers<void>()
  const slow: DuckdbStore = {
    ...file,
    use: async (mode, work, signal) => {
      await reading.promise
      return file.use(mode, work, signal)
    },
  }
  const held = openHeldStore({ store: slow, clock: clockAt(), limitBytes: mib, titles, toJson })
  const [caller, vector] = [new AbortController(), Float32Array.of(1, 0, 0, 0, 0)]
  const left = held.search(vector, { topK: 1, embedder, signal: caller.signal })
  const stays = held.search(vector, { topK: 1, embedder })
  caller.abort(new Error('hung up'))
  await expect(left).rejects.toThrow('hung up')
  reading.resolve()
  expect(await stays).toHaveLength(1)
})

test('by name the store and vectors in memory find the same, in the same order, also after a change', async () => {
  const filler = Array.from({ length: 20 }, (_, i) => ({ id: `f${i}`, vector: [1, i, 0, 0, 1], title: `A storm ${i}` }))
  await commit('movies', [
    { id: 'old', vector: [0, 1, 0, 0, 0], title: 'Heat', year: 1986 },
    { id: 'new', vector: [0, 1, 1, 0, 0], title: 'HEAT', year: 1995 },
    { id: 'part', vector: [0, 0, 1, 0, 0], title: 'The Heat Wave' },
    { id: 'silent', vector: [0, 0, 0, 0, 0], title: 'Heat' },
    ...filler,
  ])
  await commit('people', [{ id: 'p', vector: [0, 0, 0, 1, 0], title: 'Heat' }])
  const clock = clockAt()
  const byYear = { columns: ['title', 'original'], mostFirst: 'year' }
  const stores = [
    openVectorStore(file),
    openHeldStore({ store: file, clock, limitBytes: mib, titles: byYear, toJson }),
    openHeldStore({ store: file, clock, limitBytes: 0, titles: byYear, toJson }),
  ]
  const ids = async (options: Partial<SearchOptions>) => {
    const title = { ...byYear, text: 'heat' }
    const each = await Promise.all(
      stores.map(async (store) =>
        (await store.search(Float32Array.of(1, 0, 0, 0, 1), { topK: 6, embedder, title, ...options })).map(
          ({ id }) => id,
        ),
      ),
    )
    for (const other of each) expect(other).toEqual(each[0])
    return each[0]
  }
  expect(await ids({})).toEqual(['new', 'old', 'p', 'part', 'f0', 'f1'])
  expect(await ids({ namespace: 'movies', where: { year: { to: 1990 } } })).toEqual(['old'])
  expect(await ids({ leastScore: 0.99 })).toEqual(['new', 'old', 'p', 'part', 'f0'])
  await commit('movies', [{ id: 'new', vector: [0, 1, 1, 0, 0], title: 'Cold' }], ['old'])
  for (const store of stores.slice(1)) await followed(store, clock)
  expect(await ids({ topK: 3 })).toEqual(['p', 'part', 'f0'])
})
