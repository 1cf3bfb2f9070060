import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Index, Pinecone } from '@pinecone-database/pinecone'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Clock } from '../../engine/contracts.ts'
import { type PineconeEmulator, type PineconeEmulatorOptions, startPineconeEmulator } from './emulator.ts'
import { scriptedFaults, seededFaults } from './faults.ts'

let emulator: PineconeEmulator
let client: Pinecone

async function start(options: PineconeEmulatorOptions = {}): Promise<void> {
  await emulator?.close()
  emulator = await startPineconeEmulator({ apiKey: 'right', ...options })
  client = clientOf('right')
}

const clientOf = (apiKey: string) => new Pinecone({ apiKey, controllerHostUrl: emulator.url, maxRetries: 0 })

beforeEach(() => start())
afterEach(() => emulator.close())

async function made(
  name = 'titles',
  { dimension = 2, metric = 'cosine' as 'cosine' | 'dotproduct' | 'euclidean' } = {},
): Promise<Index> {
  const { host } = (await client.indexes.create({
    name,
    schema: { fields: { _values: { type: 'dense_vector', dimension, metric } } },
    deployment: { deploymentType: 'managed', cloud: 'aws', region: 'us-east-1' },
  }))!
  return client.index({ host, namespace: 'movies' })
}

/** Any request, for what the client would not send. */
async function ask(
  path: string,
  { method = 'POST', body, headers = {} }: { method?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(emulator.url + path, {
    method,
    headers: { 'api-key': 'right', 'x-pinecone-api-version': '2026-04', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? null : (JSON.parse(text) as unknown) }
}

describe('indexes', () => {
  test('are made, described, listed, configured and deleted', async () => {
    await made()
    expect(await client.indexes.describe('titles')).toMatchObject({
      name: 'titles',
      status: { ready: true, state: 'Ready' },
      schema: { fields: { _values: { type: 'dense_vector', dimension: 2, metric: 'cosine' } } },
      deployment: { deploymentType: 'managed', cloud: 'aws', region: 'us-east-1' },
      deletionProtection: 'disabled',
    })
    await client.indexes.configure('titles', { tags: { team: 'search', gone: 'x' }, deletionProtection: 'enabled' })
    await client.indexes.configure('titles', { tags: { gone: '' } })
    expect((await client.indexes.list()).indexes).toMatchObject([{ name: 'titles', tags: { team: 'search' } }])
    await expect(client.indexes.delete('titles')).rejects.toThrow(/Deletion protection/)
    await client.indexes.configure('titles', { deletionProtection: 'disabled' })
    await client.indexes.delete('titles')
    await expect(client.indexes.describe('titles')).rejects.toMatchObject({ name: 'PineconeNotFoundError' })
  })

  test('are described to older clients as those know it', async () => {
    const body = {
      name: 'older',
      dimension: 3,
      metric: 'dotproduct',
      spec: { serverless: { cloud: 'gcp', region: 'europe-west4' } },
    }
    const model = {
      ...body,
      host: `${emulator.url}/index/older`,
      status: { ready: true, state: 'Ready' },
      vector_type: 'dense',
      deletion_protection: 'disabled',
    }
    expect(await ask('/indexes', { body })).toEqual({ status: 201, body: model })
    expect(await ask('/indexes/older', { method: 'GET' })).toEqual({ status: 200, body: model })
    expect((await client.indexes.describe('older')).schema.fields).toEqual({
      _values: { type: 'dense_vector', dimension: 3, metric: 'dotproduct' },
    })
  })

  test('are not ready at once, where that is asked for', async () => {
    await start({ initializing: 2 })
    await made()
    const ready = async () => (await client.indexes.describe('titles')).status.ready
    expect([await ready(), await ready(), await ready()]).toEqual([false, false, true])
  })

  test.each([
    ['a name', { name: 'Not_A_Name' }],
    ['a dimension', { dimension: 20_001 }],
    ['a metric', { metric: 'manhattan' }],
    ['a place', { spec: { serverless: {} } }],
  ])('are refused without %s that will do', async (_, wrong) => {
    const good = { name: 'good', dimension: 2, spec: { serverless: { cloud: 'aws', region: 'us-east-1' } } }
    expect(await ask('/indexes', { body: { ...good, ...wrong } })).toMatchObject({
      status: 400,
      body: { status: 400, error: { code: 'INVALID_ARGUMENT' } },
    })
  })

  test('have one name each', async () => {
    await made()
    await expect(made()).rejects.toMatchObject({ name: 'PineconeConflictError' })
  })
})

test('who has no key or a wrong one is not let in, in the words of either plane', async () => {
  await made()
  await expect(clientOf('wrong').indexes.list()).rejects.toMatchObject({ name: 'PineconeAuthorizationError' })
  const headers = { 'api-key': 'wrong' }
  expect(await ask('/indexes', { method: 'GET', headers })).toEqual({
    status: 401,
    body: { status: 401, error: { code: 'UNAUTHENTICATED', message: 'Invalid API Key' } },
  })
  expect(await ask('/index/titles/query', { headers })).toEqual({
    status: 401,
    body: { code: 16, message: 'Invalid API Key', details: [] },
  })
})

test('a version of the API that is not known is refused', async () => {
  const headers = { 'x-pinecone-api-version': '1999-01' }
  expect(await ask('/indexes', { method: 'GET', headers })).toMatchObject({ status: 400 })
})

describe('vectors', () => {
  test('are written, fetched, replaced, updated and deleted', async () => {
    const index = await made()
    await index.upsert({ records: [{ id: 'a', values: [1, 0], metadata: { year: 1995, genres: ['Crime'] } }] })
    await index.upsert({ records: [{ id: 'b', values: [0, 1] }] })
    await index.upsert({ records: [{ id: 'b', values: [0.5, 1], metadata: { year: 1998 } }] })
    await index.update({ id: 'a', metadata: { title: 'Heat' } })
    expect((await index.fetch({ ids: ['a', 'b', 'nobody'] })).records).toEqual({
      a: { id: 'a', values: [1, 0], metadata: { year: 1995, genres: ['Crime'], title: 'Heat' } },
      b: { id: 'b', values: [0.5, 1], metadata: { year: 1998 } },
    })
    expect(await index.describeIndexStats()).toMatchObject({
      namespaces: { movies: { recordCount: 2 } },
      totalRecordCount: 2,
      dimension: 2,
    })
    await index.deleteMany({ filter: { year: { $lt: 1996 } } })
    expect(Object.keys((await index.fetch({ ids: ['a', 'b'] })).records)).toEqual(['b'])
    await index.deleteMany({ ids: ['b', 'nobody'] })
    await expect(index.deleteAll()).rejects.toMatchObject({ name: 'PineconeNotFoundError' }) // as the service has it
  })

  test('of one namespace are apart from those of another', async () => {
    const index = await made()
    await index.upsert({ namespace: 'one', records: [{ id: 'a', values: [1, 0] }] })
    await index.upsert({ namespace: 'two', records: [{ id: 'a', values: [0, 1] }] })
    await index.deleteAll({ namespace: 'one' })
    expect((await index.describeIndexStats()).namespaces).toEqual({ two: { recordCount: 1 } })
  })

  test('are listed in the order of their ids, page by page, by prefix', async () => {
    const index = await made()
    const records = Array.from({ length: 250 }, (_, i) => ({ id: `m:${String(i).padStart(3, '0')}`, values: [1, i] }))
    await index.upsert({ records: [...records, { id: 'tv:1', values: [1, 1] }] })
    const ids: (string | undefined)[] = []
    for (let token: string | undefined, page = 0; page === 0 || token !== undefined; page += 1) {
      const { vectors = [], pagination } = await index.listPaginated({
        prefix: 'm:',
        ...(token === undefined ? {} : { paginationToken: token }),
      })
      ids.push(...vectors.map(({ id }) => id))
      token = pagination?.next
    }
    expect(ids).toEqual(records.map(({ id }) => id))
    expect((await index.listPaginated({ limit: 7 })).vectors).toHaveLength(7)
  })

  test.each([
    [
      'cosine',
      [
        ['a', 1],
        ['b', 0.71],
        ['c', -1],
      ],
    ],
    [
      'dotproduct',
      [
        ['b', 4],
        ['a', 1],
        ['c', -3],
      ],
    ],
    [
      'euclidean',
      [
        ['a', 0],
        ['c', -16],
        ['b', -25],
      ],
    ],
  ] as const)('are found by %s', async (metric, found) => {
    const index = await made('titles', { metric })
    await index.upsert({
      records: [
        { id: 'a', values: [1, 0] },
        { id: 'b', values: [4, 4] },
        { id: 'c', values: [-3, 0] },
      ],
    })
    const { matches } = await index.query({ vector: [1, 0], topK: 10 })
    expect(matches.map(({ id, score }) => [id, Math.round(score! * 100) / 100])).toEqual(found)
    expect((await index.query({ id: 'c', topK: 1, includeValues: true })).matches[0]!.values).toHaveLength(2)
    expect((await index.query({ id: 'nobody', topK: 1 })).matches).toEqual([])
  })

  const tooMany = Array.from({ length: 1001 }, (_, i) => ({ id: `${i}`, values: [1, 1] }))
  test.each([
    [
      'of another dimension',
      [{ id: 'a', values: [1, 2, 3] }],
      'Vector dimension 3 does not match the dimension of the index 2',
    ],
    ['that are all zero', [{ id: 'a', values: [0, 0] }], 'at least one non-zero value'],
    ['with an id that is too long', [{ id: 'x'.repeat(513), values: [1, 1] }], '1 to 512 characters'],
    ['with an id that is not ASCII', [{ id: 'ü', values: [1, 1] }], 'must be ASCII'],
    ['of more than 1,000 at once', tooMany, 'limit of 1000 vectors'],
    [
      'with more than 40 KB beside one',
      [{ id: 'a', values: [1, 1], metadata: { t: 'é'.repeat(20_500) } }],
      'exceeds the limit of 40960',
    ],
    ['with nulls beside one', [{ id: 'a', values: [1, 1], metadata: { t: null } }], "got 'null' for field 't'"],
    ['with lists of numbers beside one', [{ id: 'a', values: [1, 1], metadata: { t: [1] } }], 'list of strings'],
    ['with objects beside one', [{ id: 'a', values: [1, 1], metadata: { t: { u: 1 } } }], "for field 't'"],
    ['that are sparse', [{ id: 'a', values: [1, 1], sparseValues: { indices: [1], values: [1] } }], 'sparse'],
    ['of texts', [{ id: 'a', values: ['1', '2'] }], '32-bit floats'],
    ['of none', [], 'at least one vector'],
  ])('%s are refused, and none of the request is written', async (_, vectors, message) => {
    const index = await made()
    const good = vectors.length === 0 || vectors.length > 1000 ? [] : [{ id: 'good', values: [1, 1] }]
    const answer = await ask('/index/titles/vectors/upsert', {
      body: { vectors: [...good, ...vectors], namespace: 'movies' },
    })
    expect(answer).toEqual({ status: 400, body: { code: 3, message: expect.stringContaining(message), details: [] } })
    expect((await index.describeIndexStats()).totalRecordCount).toBe(0)
  })

  test('of more than 2 MB in one request are refused', async () => {
    await made()
    const vectors = Array.from({ length: 60 }, (_, i) => ({
      id: `${i}`,
      values: [1, 1],
      metadata: { t: 'x'.repeat(38_000) },
    }))
    expect(await ask('/index/titles/vectors/upsert', { body: { vectors } })).toMatchObject({
      status: 400,
      body: { code: 11, message: expect.stringContaining('the limit is: 2097152 bytes') },
    })
    expect(await ask('/index/titles/vectors/upsert', { body: '{' })).toMatchObject({ status: 400, body: { code: 3 } })
  })

  test.each([
    ['1,001 ids', { ids: Array.from({ length: 1001 }, (_, i) => `${i}`) }],
    ['nothing', {}],
    ['ids and a filter', { ids: ['a'], filter: { a: 1 } }],
  ])('are not deleted by %s', async (_, body) => {
    await made()
    expect(await ask('/index/titles/vectors/delete', { body })).toMatchObject({ status: 400, body: { code: 3 } })
  })
})

describe('filters', () => {
  const titles = [
    { id: '1', values: [1, 0], metadata: { year: 1995, genres: ['Crime', 'Drama'], title: 'Heat', adult: false } },
    { id: '2', values: [1, 0], metadata: { year: 1979, genres: ['Horror'], title: 'Alien' } },
    { id: '3', values: [1, 0], metadata: { title: '1995' } },
  ]

  test.each<readonly [filter: object, ids: readonly string[]]>([
    [{ year: 1995 }, ['1']],
    [{ year: { $eq: 1995 } }, ['1']],
    [{ year: { $ne: 1995 } }, ['2', '3']],
    [{ year: { $gt: 1979 } }, ['1']],
    [{ year: { $gte: 1979 } }, ['1', '2']],
    [{ year: { $lt: 1995 } }, ['2']],
    [{ year: { $gte: 1979, $lte: 1990 } }, ['2']],
    [{ genres: 'Drama' }, ['1']],
    [{ genres: { $in: ['Horror', 'Crime'] } }, ['1', '2']],
    [{ genres: { $nin: ['Horror'] } }, ['1', '3']],
    [{ year: { $exists: false } }, ['3']],
    [{ adult: false }, ['1']],
    [{ $and: [{ year: { $gt: 1 } }, { title: 'Alien' }] }, ['2']],
    [{ $or: [{ title: 'Heat' }, { title: '1995' }] }, ['1', '3']],
    [{ title: 'heat' }, []],
  ])('%j', async (filter, ids) => {
    const index = await made()
    await index.upsert({ records: titles })
    const { matches } = await index.query({ vector: [1, 0], topK: 10, filter })
    expect(matches.map(({ id }) => id)).toEqual(ids)
  })

  test.each([
    [{ year: { $between: [1, 2] } }],
    [{ $not: [{ year: 1 }] }],
    [{ year: { $gt: 'x' } }],
    [{ year: { $in: 1995 } }],
    [{ year: {} }],
    [{ year: null }],
    [{ $or: [] }],
    [{ year: { $exists: 'yes' } }],
  ])('%j is refused, also where there is nothing to find', async (filter) => {
    await made()
    const body = { vector: [1, 0], topK: 1, filter }
    expect(await ask('/index/titles/query', { body })).toMatchObject({ status: 400, body: { code: 3 } })
  })
})

describe('what goes wrong', () => {
  test('is answered in the request’s place, and says when to come back', async () => {
    const index = await made()
    emulator.faults = scriptedFaults([{ status: 429, retryAfterS: 3 }, { status: 503 }])
    const answer = await fetch(`${emulator.url}/index/titles/describe_index_stats`, {
      method: 'POST',
      headers: { 'api-key': 'right' },
    })
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '3'])
    expect(await answer.json()).toMatchObject({ code: 8 })
    await expect(index.describeIndexStats()).rejects.toThrow()
    expect((await index.describeIndexStats()).totalRecordCount).toBe(0)
  })

  test('a connection that is lost before, or after the request had its effect', async () => {
    const index = await made()
    emulator.faults = scriptedFaults(['cut', 'lost-answer'])
    const write = (id: string) => index.upsert({ records: [{ id, values: [1, 0] }] })
    await expect(write('before')).rejects.toMatchObject({ name: 'PineconeConnectionError' })
    await expect(write('after')).rejects.toMatchObject({ name: 'PineconeConnectionError' })
    expect([...emulator.index('titles')!.contents().get('movies')!.keys()]).toEqual(['after'])
  })

  test('a request that is served late, by the clock that is given', async () => {
    const slept: number[] = []
    const clock: Clock = { nowMs: () => 0, sleep: async (ms) => void slept.push(ms) }
    await start({ clock })
    const index = await made()
    emulator.faults = scriptedFaults([{ delayMs: 1234 }])
    await index.describeIndexStats()
    expect(slept).toEqual([1234])
  })

  test('the same seed chooses the same', () => {
    const shares = { tooMany: 0.2, unavailable: 0.2, cut: 0.2, lostAnswer: 0.2, slow: 0.1 }
    const run = () => {
      const faults = seededFaults(7, shares)
      return Array.from({ length: 200 }, () => faults({ method: 'GET', path: '/', index: null }))
    }
    expect(run()).toEqual(run())
    const kinds = new Set(
      run().map((each) => (typeof each === 'object' && each !== null ? Object.keys(each).join() : each)),
    )
    expect(kinds).toEqual(new Set([null, 'cut', 'lost-answer', 'status', 'status,retryAfterS', 'delayMs']))
  })
})

describe('what was written', () => {
  test('is seen after as many reads as are asked for, in the order of the writes', async () => {
    await start({ staleReads: 2 })
    const index = await made()
    const values = async () => (await index.fetch({ ids: ['a'] })).records.a?.values
    await index.upsert({ records: [{ id: 'a', values: [1, 0] }] })
    expect([await values(), await values()]).toEqual([undefined, undefined])
    await index.upsert({ records: [{ id: 'a', values: [0, 1] }] })
    expect([await values(), await values(), await values()]).toEqual([
      [1, 0],
      [1, 0],
      [0, 1],
    ])
  })

  test('is seen after a time, by the clock that is given', async () => {
    let nowMs = 0
    await start({ visibleAfterMs: 500, clock: { nowMs: () => nowMs, sleep: async () => {} } })
    const index = await made()
    await index.upsert({ records: [{ id: 'a', values: [1, 0] }] })
    const count = async () => (await index.describeIndexStats()).totalRecordCount
    expect(await count()).toBe(0)
    nowMs = 500
    expect(await count()).toBe(1)
  })

  test('is there again after a death, where there is a folder', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'millrace-emulator-'))
    try {
      await start({ dir })
      const index = await made()
      await index.upsert({
        records: [
          { id: 'a', values: [0.1, 1e-7] },
          { id: 'b', values: [1, 1] },
        ],
      })
      await index.deleteOne({ id: 'b' })
      await client.indexes.configure('titles', { tags: { team: 'search' } })
      await start({ dir })
      const again = client.index({ host: (await client.indexes.describe('titles')).host, namespace: 'movies' })
      expect((await again.fetch({ ids: ['a', 'b'] })).records).toEqual({ a: { id: 'a', values: [0.1, 1e-7] } })
      expect((await client.indexes.describe('titles')).tags).toEqual({ team: 'search' })
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })
})
