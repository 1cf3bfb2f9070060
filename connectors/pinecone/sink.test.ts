import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import { systemIds } from '../../engine/clock.ts'
import type { Clock, SinkCommit } from '../../engine/contracts.ts'
import { type Duckdb, literal, openDuckdb } from '../../engine/duckdb.ts'
import { armFault } from '../../engine/fault-points.ts'
import type { ParquetFile } from '../../engine/schema.ts'
import { commitAt } from '../../engine/sink-commit.testing.ts'
import { type PineconeEmulator, seededFaults, startPineconeEmulator } from '../../testing/index.ts'
import { openPinecone, type PineconeIndex } from './client.ts'
import { pineconeStore } from './search.ts'
import { pineconeSink } from './sink.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-pinecone-'))
let database: Duckdb
let emulator: PineconeEmulator
let slept: number[]

/** Waits for nobody, and remembers for how long it would have. */
const clock: Clock = {
  nowMs: () => 1_700_000_000_000,
  sleep: async (ms) => void slept.push(ms),
}

beforeAll(async () => {
  database = await openDuckdb({ memoryLimitBytes: 2 ** 28, threads: 2, tempDir: dir })
})
afterAll(async () => {
  await database.close()
  rmSync(dir, { recursive: true, force: true })
})
beforeEach(async () => {
  slept = []
  emulator = await startPineconeEmulator({ apiKey: 'right' })
})
afterEach(async () => {
  armFault(null)
  await emulator.close()
})

const embedder = { id: 'test-3', dimension: 3 }
const description = { namespace: 'movies', upserts: 'upserts', deletes: 'deletes', embedder: 'test' }

function open(more: Partial<Parameters<typeof openPinecone>[0]['settings']> = {}): PineconeIndex {
  const settings = {
    apiKey: 'right',
    index: 'millrace',
    controllerHost: emulator.url,
    cloud: 'aws',
    region: 'us-east-1',
  }
  return openPinecone({ settings: { ...settings, ...more }, clock, ids: systemIds, requestTimeoutMs: 2000 })
}

function sinkOf(index = open(), withEmbedder = embedder) {
  return pineconeSink({ index, description, embedder: withEmbedder, duckdb: async () => database, clock })
}

interface Row {
  readonly id: string
  readonly values: readonly number[]
  readonly title: string | null
  readonly year?: number | null
  readonly genres?: readonly string[] | null
}

let files = 0

function parquet(query: string): Promise<ParquetFile> {
  files += 1
  const path = join(dir, `${files}.parquet`)
  return database.withConnection((connection) => copyToParquet(connection, query, path))
}

async function outputs(upserts: readonly Row[], deletes: readonly string[] = []): Promise<SinkCommit['outputs']> {
  const list = (values: readonly string[]) => `[${values.map(literal).join(', ')}]`
  const found = new Map<string, ParquetFile[]>()
  if (upserts.length > 0) {
    const rows = upserts.map(
      ({ id, values, title, year = null, genres = null }) =>
        `(${literal(id)}, [${values.map((value) => value.toExponential()).join(', ')}]::FLOAT[], ${literal(title)}::VARCHAR, ${literal(year)}::BIGINT, ${genres === null ? 'NULL' : list(genres)}::VARCHAR[])`,
    )
    found.set('upserts', [await parquet(`FROM (VALUES ${rows.join(', ')}) v(id, embedding, title, year, genres)`)])
  }
  if (deletes.length > 0)
    found.set('deletes', [await parquet(`FROM (VALUES ${deletes.map((id) => `(${literal(id)})`).join(', ')}) v(id)`)])
  return found
}

const commitOf = (start: number, given: SinkCommit['outputs'], more: Partial<SinkCommit> = {}): SinkCommit =>
  commitAt(start, { outputs: given, ...more })

function held(): [id: string, title: unknown][] {
  const space = emulator.index('millrace')?.contents().get('movies') ?? new Map()
  return [...space.values()].map(({ id, metadata }) => [id, metadata?.title] as [string, unknown]).sort()
}

const heat: Row = { id: '1', values: [1, 0, 0.1], title: 'Heat', year: 1995, genres: ['Crime', 'Drama'] }
const ronin: Row = { id: '2', values: [0, 1, 0], title: 'Ronin', year: 1998, genres: [] }

test('the index is made when it is missing, and what a batch upserts and deletes is there', async () => {
  const sink = sinkOf()
  expect(await sink.position('p')).toEqual({ position: new Map(), fingerprint: null })
  const first = await sink.commit(commitOf(0, await outputs([heat, ronin])))
  expect(first).toEqual({ kind: 'committed', written: { upserted: 2, deleted: 0 } })
  const second = await sink.commit(commitOf(1, await outputs([{ ...heat, title: 'Heat 2' }], ['1', '2'])))
  expect(second).toMatchObject({ kind: 'committed', written: { upserted: 1, deleted: 1 } })
  expect(held()).toEqual([['1', 'Heat 2']])
  expect(emulator.index('millrace')!.model).toMatchObject({ dimension: 3, metric: 'cosine' })
  expect(await sinkOf().position('p')).toMatchObject({
    position: new Map([['silver', 2n]]),
    totals: { upserted: 3, deleted: 1 },
  })
})

test('a namespace is there from the first batch, vectors or not: a question to it finds nothing', async () => {
  const question = { topK: 3, embedder, namespace: 'movies' }
  const find = (more = {}) => pineconeStore(open()).search(Float32Array.of(1, 0, 0), { ...question, ...more })
  await expect(find()).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
  await sinkOf().commit(commitOf(0, await outputs([])))
  expect(await find()).toEqual([])
  await expect(find({ namespace: 'movie' })).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
  await sinkOf().commit(commitOf(1, await outputs([heat])))
  expect(await find()).toMatchObject([{ id: '1' }])
})

test('values are the same 32-bit floats; what Pinecone has no type for is left out or text', async () => {
  await sinkOf().commit(commitOf(0, await outputs([{ ...heat, values: [0.1, -1e-7, 3.4028234e38] }, ronin])))
  const space = emulator.index('millrace')!.contents().get('movies')!
  expect(space.get('1')!.values.map(Math.fround)).toEqual([0.1, -1e-7, 3.4028234e38].map(Math.fround))
  expect(space.get('1')!.metadata).toMatchObject({ year: 1995, genres: ['Crime', 'Drama'] })
  expect(space.get('2')!.metadata).not.toHaveProperty('genres')
})

test('every 32-bit float arrives as it is', async () => {
  const seed = Date.now() % 2 ** 31
  console.log(`seed ${seed}`)
  const bits = fc.sample(fc.integer({ min: 1, max: 0xffff_ffff }), { numRuns: 600, seed })
  const floats = [...new Float32Array(Uint32Array.from(bits).buffer)].filter((value) => Number.isFinite(value))
  const rows = Array.from({ length: Math.floor(floats.length / 3) }, (_, i) => ({
    ...heat,
    id: `${i}`,
    values: floats.slice(3 * i, 3 * i + 3),
  }))
  await sinkOf().commit(commitOf(0, await outputs(rows)))
  const space = emulator.index('millrace')!.contents().get('movies')!
  for (const { id, values } of rows) expect(space.get(id)!.values.map(Math.fround)).toEqual(values)
})

test('a vector that holds no number is refused, and does not spoil the request that it is in', async () => {
  const vectors = ["['nan'::FLOAT, 1, 0]", "['inf'::FLOAT, 1, 0]", '[NULL, 1, 0]::FLOAT[]', '[1, 1, 0]::FLOAT[]']
  const values = vectors.map((vector, i) => `('${i}', ${vector}, 'Title')`)
  const given = new Map([['upserts', [await parquet(`FROM (VALUES ${values.join(', ')}) v(id, embedding, title)`)]]])
  const sink = sinkOf()
  const refused = await sink.prepare!(commitOf(0, given))
  expect(refused.map(({ row, message }) => [JSON.parse(row).id, message])).toEqual([
    ['0', 'a vector holds what is no finite number'],
    ['1', 'a vector holds what is no finite number'],
    ['2', expect.stringMatching(/^Pinecone: Vector dimension 2 does not match/)],
  ])
  expect(held()).toEqual([['3', 'Title']])
})

test('after every batch the index is what the rows say, whatever goes wrong with requests', async () => {
  const seed = Date.now() % 2 ** 31
  console.log(`seed ${seed}`)
  const id = fc.constantFrom('a', 'b', 'c', 'd', 'e')
  const row = fc.record({
    id,
    values: fc.tuple(fc.constantFrom(1, 0.5), fc.constantFrom(0, -2), fc.constantFrom(0, 0.25)),
    title: fc.option(fc.constantFrom('Heat', 'é 🎬 "\\', ''), { freq: 4 }),
  })
  const batch = fc.record({
    upserts: fc.uniqueArray(row, { selector: (each) => each.id, maxLength: 4 }),
    deletes: fc.uniqueArray(id, { maxLength: 3 }),
  })
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 4 }), fc.nat(), async (batches, faultSeed) => {
      run += 1
      const index = `millrace-${run}`
      emulator.faults = seededFaults(faultSeed, { tooMany: 0.15, unavailable: 0.1, cut: 0.1, lostAnswer: 0.1 })
      const model = new Map<string, unknown>()
      for (const [i, { upserts, deletes }] of batches.entries()) {
        const sink = sinkOf(open({ index })) // remembers nothing of the batches before
        const commit = commitOf(i, await outputs(upserts, deletes))
        await expect
          .poll(
            () =>
              sink.commit(commit).then(
                ({ kind }) => kind,
                () => 'failed',
              ),
            { interval: 0 },
          )
          .toMatch(/committed/)
        for (const each of deletes) model.delete(each)
        for (const each of upserts) model.set(each.id, each.title ?? undefined)
        const space = emulator.index(index)!.contents().get('movies') ?? new Map()
        expect(new Map([...space].map(([key, { metadata }]) => [key, metadata?.title]))).toEqual(model)
      }
    }),
    { seed, numRuns: 25 },
  )
})

test('a batch that died at any moment is replayed to the same index, and not twice', async () => {
  for (const point of ['sink-begin', 'store-before-commit', 'store-after-commit'] as const) {
    const index = `died-${point}`
    armFault({ point, passage: 1, action: 'throw' })
    await expect(sinkOf(open({ index })).commit(commitOf(0, await outputs([heat])))).rejects.toMatchObject({
      code: 'FAULT_INJECTED',
    })
    armFault(null)
    const again = await sinkOf(open({ index })).commit(commitOf(0, await outputs([heat]), { txnId: 'another' }))
    expect(again.kind).toBe(point === 'store-after-commit' ? 'fenced' : 'committed')
    expect(emulator.index(index)!.contents().get('movies')!.size).toBe(1)
    expect(await sinkOf(open({ index })).position('p')).toMatchObject({ position: new Map([['silver', 1n]]) })
  }
})

test('a batch that died after any number of requests is replayed to the same index', async () => {
  for (let survived = 0; ; survived += 1) {
    const index = `cut-${survived}`
    await sinkOf(open({ index })).commit(commitOf(0, await outputs([heat, ronin])))
    let left = survived
    emulator.faults = () => (left-- > 0 ? null : 'cut')
    const second = await outputs([{ ...heat, title: 'Heat 2' }], ['2'])
    const died = await sinkOf(open({ index }))
      .commit(commitOf(1, second))
      .then(
        () => false,
        () => true,
      )
    emulator.faults = () => null
    const { position } = await sinkOf(open({ index })).position('p')
    if (position.get('silver') === 1n) await sinkOf(open({ index })).commit(commitOf(1, second, { txnId: 'again' }))
    const space = emulator.index(index)!.contents().get('movies')!
    expect([...space].map(([id, { metadata }]) => [id, metadata?.title])).toEqual([['1', 'Heat 2']])
    expect((await sinkOf(open({ index })).position('p')).position).toEqual(new Map([['silver', 2n]]))
    if (died) continue
    expect(survived).toBeGreaterThan(4)
    return
  }
})

test('what a batch writes is sent once, and a batch of nothing asks little', async () => {
  const index = open()
  const count = (call: string) => emulator.requests.get(call) ?? 0
  await sinkOf(index).commit(commitOf(0, await outputs([heat, ronin])))
  const [upserts, all] = [count('POST /vectors/upsert'), () => [...emulator.requests.values()].reduce((a, b) => a + b)]
  await sinkOf(index).commit(commitOf(1, await outputs([heat])))
  expect(count('POST /vectors/upsert') - upserts).toBe(2) // the vectors, and the position
  const before = all()
  await sinkOf(index).commit(commitOf(2, await outputs([])))
  expect(all() - before).toBe(4) // the index, its embedder, the position before and after
})

test('a commit that is told to end does not wait for a service that is busy', async () => {
  await sinkOf().commit(commitOf(0, await outputs([heat])))
  emulator.faults = () => ({ status: 429, retryAfterS: 100 })
  const controller = new AbortController()
  const waiting: Clock = {
    nowMs: clock.nowMs,
    sleep: (_, end) => new Promise((resolve) => end!.addEventListener('abort', () => resolve(), { once: true })),
  }
  const settings = { apiKey: 'right', index: 'millrace', controllerHost: emulator.url, cloud: 'aws', region: 'r' }
  const index = openPinecone({ settings, clock: waiting, ids: systemIds })
  const commit = sinkOf(index).commit(commitOf(1, await outputs([ronin]), { signal: controller.signal }))
  controller.abort()
  await expect(commit).rejects.toMatchObject({ code: 'PINECONE_UNREACHABLE' })
})

test('pipelines that begin together make one index, and all write to it', async () => {
  await emulator.close()
  emulator = await startPineconeEmulator({ initializing: 4 })
  const kinds = ['movies', 'people', 'tv_series']
  const outcomes = await Promise.all(
    kinds.map(async (namespace, i) => {
      const own = { ...description, namespace }
      const sink = pineconeSink({ index: open(), description: own, embedder, duckdb: async () => database, clock })
      return sink.commit(commitOf(0, await outputs([{ ...heat, id: `${i}` }]), { pipeline: namespace }))
    }),
  )
  expect(outcomes.map(({ kind }) => kind)).toEqual(kinds.map(() => 'committed'))
  expect([...emulator.index('millrace')!.contents().keys()].sort()).toEqual(['_millrace', ...kinds])
})

test('an index that another program made is taken, if it fits', async () => {
  await open().create(3)
  const sink = sinkOf()
  expect(await sink.position('p')).toEqual({ position: new Map(), fingerprint: null })
  await sink.commit(commitOf(0, await outputs([heat])))
  await expect(sinkOf(open(), { id: 'another', dimension: 3 }).position('p')).rejects.toMatchObject({
    message: expect.stringContaining('holds vectors of test-3'),
  })
})

test('the key is in no request but its header, and not in what the client prints of one', async () => {
  const printed: string[] = []
  const debug = vi.spyOn(console, 'debug').mockImplementation((...words) => void printed.push(words.join(' ')))
  process.env.PINECONE_DEBUG_CURL = '1'
  try {
    const sink = sinkOf(open())
    await sink.commit(commitOf(0, await outputs([heat])))
    expect(printed.join('\n')).toContain('curl -X POST')
    expect(printed.join('\n')).not.toMatch(/\bright\b/)
  } finally {
    delete process.env.PINECONE_DEBUG_CURL
    debug.mockRestore()
  }
})

test('a new index is written to once it is ready', async () => {
  await emulator.close()
  emulator = await startPineconeEmulator({ initializing: 3 })
  await sinkOf().commit(commitOf(0, await outputs([heat])))
  expect(slept.filter((ms) => ms === 2000)).toHaveLength(3)
  expect(held()).toEqual([['1', 'Heat']])
})

describe('an index that shows writes late', () => {
  beforeEach(async () => {
    await emulator.close()
    emulator = await startPineconeEmulator({ staleReads: 6 })
  })

  test('does not make the process that wrote them replay or lose a batch', async () => {
    const index = open()
    for (const [i, row] of [heat, ronin, { ...heat, title: 'Heat 3' }].entries()) {
      const sink = sinkOf(index)
      expect((await sink.position('p')).position.get('silver') ?? 0n).toBe(BigInt(i))
      expect((await sink.commit(commitOf(i, await outputs([row])))).kind).toBe('committed')
    }
    expect(held()).toEqual([
      ['1', 'Heat 3'],
      ['2', 'Ronin'],
    ])
  })

  test('is brought to the same by a process that sees an old position and replays', async () => {
    const first = open()
    for (const [i, row] of [heat, { ...heat, title: 'Heat 2' }].entries())
      await sinkOf(first).commit(commitOf(i, await outputs([row])))
    const other = open()
    const seen = Number((await sinkOf(other).position('p')).position.get('silver') ?? 0n)
    const titles = ['Heat', 'Heat 2']
    for (let at = seen; at < 2; at += 1)
      await sinkOf(other).commit(
        commitOf(at, await outputs([{ ...heat, title: titles[at]! }]), { txnId: `again ${at}` }),
      )
    expect(held()).toEqual([['1', 'Heat 2']])
  })
})

test('a process that took over from an old position does not pass over what it began to write', async () => {
  await emulator.close()
  let nowMs = 0
  const late: Clock = { nowMs: () => nowMs, sleep: clock.sleep }
  emulator = await startPineconeEmulator({ visibleAfterMs: 1000, clock: late })
  const predecessor = open()
  const title = async (at: number) => outputs([{ ...heat, title: `Heat ${at}` }])
  await sinkOf(predecessor).commit(commitOf(0, await title(0)))
  nowMs = 2000
  await sinkOf(predecessor).commit(commitOf(1, await title(1)))
  await sinkOf(predecessor).commit(commitOf(2, await title(2)))
  nowMs = 2500
  const successor = open() // is shown what was before the last two
  expect((await sinkOf(successor).position('p')).position.get('silver')).toBe(1n)
  expect(await sinkOf(successor).commit(commitOf(1, await title(1), { txnId: 'again 1' }))).toMatchObject({
    kind: 'committed',
  })
  nowMs = 3200 // now it is shown the predecessor's last position, and not yet its own
  expect((await sinkOf(open()).position('p')).position.get('silver')).toBe(3n)
  expect((await sinkOf(successor).position('p')).position.get('silver')).toBe(2n)
  await sinkOf(successor).commit(commitOf(2, await title(2), { txnId: 'again 2' }))
  expect(held()).toEqual([['1', 'Heat 2']])
})

test('too many requests are waited for as long as the service asks, and not for ever', async () => {
  let busy = 2
  emulator.faults = () => (busy-- > 0 ? { status: 429, retryAfterS: 7 } : null)
  await sinkOf().commit(commitOf(0, await outputs([heat])))
  expect(slept).toEqual([7000, 7000])
  emulator.faults = () => ({ status: 429 })
  await expect(sinkOf().commit(commitOf(1, await outputs([ronin])))).rejects.toMatchObject({
    code: 'PINECONE_UNREACHABLE',
    retryable: true,
  })
  expect(slept).toHaveLength(2 + 7)
})

test('a service that never answers is given up on', async () => {
  emulator.faults = () => 'silence'
  const settings = {
    apiKey: 'right',
    index: 'millrace',
    controllerHost: emulator.url,
    cloud: 'aws',
    region: 'us-east-1',
  }
  const index = openPinecone({ settings, clock, ids: systemIds, requestTimeoutMs: 50, tries: 2 })
  await expect(sinkOf(index).position('p')).rejects.toMatchObject({ code: 'PINECONE_UNREACHABLE', retryable: true })
})

test('rows that are refused for what is in them are told, and all others are written', async () => {
  const sink = sinkOf()
  await sink.commit(commitOf(0, await outputs([{ ...heat, id: 'silent' }])))
  const bad: Row[] = [
    { ...heat, id: 'silent', values: [0, 0, 0] },
    { ...heat, id: 'x'.repeat(600) },
    { ...heat, id: 'heavy', title: 'é'.repeat(30_000) },
    { ...heat, id: 'naïve' },
    { ...heat, id: 'Größe' },
  ]
  const good = Array.from({ length: 200 }, (_, i) => ({ ...ronin, id: `good ${i}` }))
  const commit = commitOf(1, await outputs([...bad, ...good]))
  const before = emulator.requests.get('POST /vectors/upsert')!
  const refused = await sink.prepare!(commit)
  expect(refused.map(({ input, row, message }) => [input, JSON.parse(row).id.slice(0, 6), message]).sort()).toEqual([
    ['upserts', 'Größe', "Pinecone: Vector ID must be ASCII, but got 'Größe'"],
    ['upserts', 'heavy', expect.stringMatching(/at most 40960 bytes, not 6\d{4}$/)],
    ['upserts', 'naïve', "Pinecone: Vector ID must be ASCII, but got 'naïve'"],
    ['upserts', 'silent', 'a vector that is all zero has no direction, and cannot be kept'],
    ['upserts', 'xxxxxx', 'an id has 1 to 512 characters, not 600'],
  ])
  expect(emulator.requests.get('POST /vectors/upsert')! - before).toBeLessThan(2 * 2 * 9) // halved for two of 202
  expect(await sink.commit(commit)).toMatchObject({ kind: 'committed', written: { upserted: 200 } })
  expect(held().map(([id]) => id)).toEqual(good.map(({ id }) => id).sort()) // nor is what was refused still there as it was
  expect((await sinkOf().prepare!(commitOf(2, await outputs(bad)))).map(({ row }) => row)).toEqual(
    refused.map(({ row }) => row), // prepared again, the same rows
  )
  await expect(sinkOf().commit(commitOf(2, await outputs(bad)))).rejects.toMatchObject({ code: 'SINK_FAILED' })
})

test('a key without the right to write stops the pipeline, and no row is taken for a bad one', async () => {
  await sinkOf().commit(commitOf(0, await outputs([heat])))
  emulator.faults = ({ path }) => (path === '/vectors/upsert' ? { status: 403 } : null)
  await expect(sinkOf().prepare!(commitOf(1, await outputs([heat, ronin])))).rejects.toMatchObject({
    code: 'PINECONE_REFUSED',
    retryable: false,
    message: expect.stringContaining('not allowed'),
  })
})

test('deletes of what was never there are fine, also before there is a namespace', async () => {
  expect(await sinkOf().commit(commitOf(0, await outputs([], ['1', '2', 'naïve'])))).toMatchObject({
    kind: 'committed',
  })
  await sinkOf().commit(commitOf(1, await outputs([heat], ['2'])))
  expect(held()).toEqual([['1', 'Heat']])
})

test('of several rows with one id the greatest wins', async () => {
  const rows = [
    { ...heat, title: 'Heat', values: [1, 0, 0] },
    { ...heat, title: 'Heat (1995)', values: [1, 0, 0] },
    { ...heat, title: 'Zulu', values: [0.5, 0, 0] },
  ]
  await sinkOf().commit(commitOf(0, await outputs(rows)))
  expect(held()).toEqual([['1', 'Heat (1995)']])
})

test('dates, times, numbers and lists of numbers are found again as text or numbers', async () => {
  const row = `SELECT '1' AS id, [1, 0, 0]::FLOAT[] AS embedding, DATE '1895-12-28' AS born, TIMESTAMPTZ '2026-01-02 03:04:05.6+00' AS seen,
    TIMESTAMP '2026-01-02 03:04:05' AS local, 9007199254740993::BIGINT AS large, 7.5::DECIMAL(4,1) AS rated, true AS adult,
    [1, 2, NULL]::BIGINT[] AS parts, {'a': 1} AS nested, NULL::VARCHAR AS nothing`
  await sinkOf().commit(commitOf(0, new Map([['upserts', [await parquet(row)]]])))
  const { metadata } = emulator.index('millrace')!.contents().get('movies')!.get('1')!
  expect(Object.fromEntries(Object.entries(metadata!).filter(([name]) => !name.startsWith('_fold_')))).toEqual({
    born: '1895-12-28',
    seen: '2026-01-02T03:04:05.600000Z',
    local: '2026-01-02T03:04:05.000000',
    large: '9007199254740993',
    rated: 7.5,
    adult: true,
    parts: ['1', '2'],
    nested: '{"a":1}',
  })
})

test('a key that is wrong, and an index that does not fit, are refused at the first question, by name and without the key', async () => {
  const wrong = await sinkOf(open({ apiKey: 'very-secret' }))
    .position('p')
    .catch((error: unknown) => error)
  expect(wrong).toMatchObject({ code: 'PINECONE_REFUSED', message: expect.stringContaining('PINECONE_API_KEY') })
  expect(String(wrong)).not.toContain('very-secret')
  await sinkOf().commit(commitOf(0, await outputs([heat])))
  await expect(sinkOf(open(), { id: 'test-4', dimension: 4 }).position('p')).rejects.toMatchObject({
    code: 'PINECONE_REFUSED',
    message: expect.stringContaining('has 3 dimensions'),
  })
  await expect(sinkOf(open(), { id: 'another', dimension: 3 }).position('p')).rejects.toMatchObject({
    code: 'SINK_FAILED',
  })
})

test('large batches go in requests that Pinecone takes', async () => {
  const rows = `SELECT i::VARCHAR AS id, [1, i, 0]::FLOAT[] AS embedding, repeat('text ', 100) AS text FROM range(5000) r(i)`
  await sinkOf().commit(commitOf(0, new Map([['upserts', [await parquet(rows)]]])))
  expect(emulator.index('millrace')!.contents().get('movies')!.size).toBe(5000)
  expect(emulator.requests.get('POST /vectors/upsert')).toBeLessThan(12)
})

describe('search', () => {
  test('finds the nearest of all namespaces or one, in any case, within bounds', async () => {
    const index = open()
    await sinkOf(index).commit(commitOf(0, await outputs([heat, ronin])))
    const store = pineconeStore(index)
    expect(await store.counts()).toEqual(new Map([['movies', 2]]))
    const ask = async (where?: Parameters<typeof store.search>[1]['where']) =>
      (
        await store.search(new Float32Array([1, 0, 0]), {
          topK: 5,
          embedder,
          ...(where === undefined ? {} : { where }),
        })
      ).map(({ id }) => id)
    expect(await ask()).toEqual(['1', '2'])
    expect(await ask({ genres: 'drama' })).toEqual(['1'])
    expect(await ask({ title: 'RONIN' })).toEqual(['2'])
    expect(await ask({ year: { from: 1996 } })).toEqual(['2'])
    expect(await ask({ year: { from: 1990, to: 1995 }, genres: 'Crime' })).toEqual(['1'])
    expect(await ask({ colour: 'red' })).toEqual([])
    expect(await ask({ year: '1995' })).toEqual(['1'])
    expect(await ask({ year: {} })).toEqual(['1', '2'])
    expect(await ask({ title: {} })).toEqual([])
    expect(await ask({ genres: 'Cri' })).toEqual([])
    expect(await ask({})).toEqual(['1', '2'])
    const [best] = await store.search(new Float32Array([1, 0, 0]), { topK: 1, embedder })
    expect(best).toMatchObject({
      namespace: 'movies',
      metadata: { title: 'Heat', year: 1995, genres: ['Crime', 'Drama'] },
    })
    expect(Object.keys(best!.metadata).sort()).toEqual(['genres', 'title', 'year'])
    await expect(store.search(new Float32Array(3), { topK: 1, embedder, namespace: 'nowhere' })).rejects.toMatchObject({
      code: 'TABLE_NOT_FOUND',
    })
    await expect(
      store.search(new Float32Array(3), { topK: 1, embedder: { id: 'another', dimension: 3 } }),
    ).rejects.toMatchObject({ code: 'SINK_FAILED' })
  })

  test('a title that is the text comes first, in any case, and what is less similar than is wanted is found by its title alone', async () => {
    const index = open()
    await sinkOf(index).commit(commitOf(0, await outputs([heat, ronin])))
    const found = async (text: string, more: object = {}) => {
      const title = { columns: ['title', 'original_title'], mostFirst: 'year', text }
      const options = { topK: 5, embedder, title, ...more }
      return (await pineconeStore(index).search(new Float32Array([1, 0, 0]), options)).map(({ id }) => id)
    }
    expect(await found('something else')).toEqual(['1', '2'])
    expect(await found('RONIN')).toEqual(['2', '1'])
    expect(await found('ronin', { leastScore: 2 })).toEqual(['2'])
    expect(await found('ronin', { leastScore: 2, where: { year: 1995 } })).toEqual([])
    expect(await found('Roni', { leastScore: 2 })).toEqual([])
  })
})
