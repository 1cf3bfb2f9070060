import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock, systemIds } from '../../engine/clock.ts'
import type { Clock } from '../../engine/contracts.ts'
import { type ModelServer, modelServer, vectorOf } from '../model-server.testing.ts'
import { type HttpEmbedderLimits, httpEmbedder, openHttpEmbedder } from './http.ts'
import type { HttpEmbedderSettings } from './settings.ts'

let server: ModelServer
beforeEach(async () => {
  server = await modelServer()
})
afterEach(() => server.close())

/** Pauses between tries take no time and are noted; deadlines never come. */
function patientClock(): Clock & { readonly pauses: number[] } {
  const pauses: number[] = []
  return {
    pauses,
    nowMs: () => Date.UTC(2026, 0, 1),
    sleep: (ms, signal) => {
      if (ms === deadlineMs) return systemClock.sleep(2 ** 30, signal)
      pauses.push(ms)
      return Promise.resolve()
    },
  }
}
const deadlineMs = 31_000

function options(more: Partial<HttpEmbedderSettings> = {}, clock: Clock = patientClock()) {
  const settings: HttpEmbedderSettings = {
    kind: 'openai',
    url: server.url,
    modelId: 'minilm',
    apiKey: 'sk-secret',
    dimension: null,
    textPrefix: '',
    queryPrefix: '',
    cacheBytes: 0,
    ...more,
  }
  return { settings, clock, ids: { ...systemIds, random: () => 0.5 }, deadlineMs }
}

const expected = (texts: readonly string[]) => texts.map((text) => Float32Array.from(vectorOf(text, server.dimension)))
const texts = Array.from({ length: 10 }, (_, i) => `text ${'x'.repeat(i)}`)

test('vectors come in the order of the texts, however the answers are ordered and however many requests there are', async () => {
  server.order = (places) => places.toReversed()
  const limits: HttpEmbedderLimits = { texts: 3, characters: 1000, requests: 2 }
  const embedder = httpEmbedder({ ...options(), limits }, 4)
  const told = new Map<number, Float32Array>()
  const vectors = await embedder.embed(texts, {
    onVectors: (part) => {
      for (const [i, place] of part.places.entries()) told.set(place, part.vectors[i]!)
    },
  })
  expect(vectors).toEqual(expected(texts))
  expect([...told.entries()].sort(([a], [b]) => a - b).map(([, vector]) => vector)).toEqual(expected(texts))
  expect(server.requests.map(({ body }) => body.input!.length).sort()).toEqual([1, 3, 3, 3])
  expect(server.requests[0]).toMatchObject({ path: '/v1/embeddings', authorization: 'Bearer sk-secret' })
  expect(server.requests[0]!.body).toMatchObject({ model: 'minilm' })
})

test('a request holds no more characters than it may, a longer text goes alone', async () => {
  const limits: HttpEmbedderLimits = { texts: 100, characters: 10, requests: 1 }
  await httpEmbedder({ ...options(), limits }, 4).embed(['aaaa', 'bbbb', 'cccc', 'd'.repeat(50), 'e'])
  expect(server.requests.map(({ body }) => body.input)).toEqual([['aaaa', 'bbbb'], ['cccc'], ['d'.repeat(50)], ['e']])
})

test('no more requests are under way at once than allowed', async () => {
  let most = 0
  server.fault = (_, number) => {
    most = Math.max(most, number - server.embedded.length)
    return null
  }
  await httpEmbedder({ ...options(), limits: { texts: 1, characters: 100, requests: 3 } }, 4).embed(texts)
  expect(server.embedded).toHaveLength(10)
  expect(most).toBeLessThanOrEqual(3)
})

test('prefixes are put before texts and questions, and are part of the id', async () => {
  const embedder = httpEmbedder(options({ textPrefix: 'passage: ', queryPrefix: 'query: ' }), 4)
  await embedder.embed(['a'])
  await embedder.embedQuery('b')
  expect(server.embedded).toEqual(['passage: a', 'query: b'])
  const others = [httpEmbedder(options(), 4), httpEmbedder(options({ modelId: 'e5' }), 4), httpEmbedder(options(), 8)]
  expect(new Set([embedder, ...others].map(({ id }) => id)).size).toBe(4)
})

test.each([429, 500, 503, 'cut'] as const)('a request that fails for what may pass (%s) is sent again', async (how) => {
  const clock = patientClock()
  server.fault = (_, number) => (number > 2 ? null : how === 'cut' ? 'cut' : { status: how })
  expect(await httpEmbedder(options({}, clock), 4).embed(['a'])).toEqual(expected(['a']))
  expect(server.requests).toHaveLength(3)
  expect(clock.pauses).toEqual([250, 500]) // exponential, half of it by chance
})

test('the endpoint says how long to wait, in seconds or by a date', async () => {
  const clock = patientClock()
  const date = new Date(clock.nowMs() + 9000).toUTCString()
  server.fault = (_, number) =>
    number > 2 ? null : { status: 429, headers: { 'retry-after': number === 1 ? '7' : date } }
  await httpEmbedder(options({}, clock), 4).embed(['a'])
  expect(clock.pauses).toEqual([7000, 9000])
})

test('an endpoint that stays away, or asks for an hour, is told of as something that may pass', async () => {
  server.fault = () => ({ status: 503, body: { error: { message: 'warming up' } } })
  const error = { code: 'MODEL_UNREACHABLE', retryable: true, message: expect.stringContaining('503: warming up') }
  await expect(httpEmbedder(options(), 4).embed(['a'])).rejects.toMatchObject(error)
  expect(server.requests).toHaveLength(6)
  server.fault = () => ({ status: 429, headers: { 'retry-after': '3600' } })
  await expect(httpEmbedder(options(), 4).embed(['a'])).rejects.toMatchObject({ code: 'MODEL_UNREACHABLE' })
  expect(server.requests).toHaveLength(7)
})

test('a request that is not answered in time is ended and sent again', async () => {
  server.fault = (_, number) => (number === 1 ? 'hang' : null)
  let deadlines = 0
  const clock: Clock = {
    nowMs: () => 0,
    sleep: (ms, signal) => {
      if (ms !== deadlineMs) return Promise.resolve()
      deadlines += 1
      return systemClock.sleep(deadlines === 1 ? 50 : 2 ** 30, signal) // the first deadline comes, as soon as the request is there
    },
  }
  expect(await httpEmbedder(options({}, clock), 4).embed(['a'])).toEqual(expected(['a']))
  expect(deadlines).toBe(2)
})

test('an abort ends the requests under way', async () => {
  const abort = new AbortController()
  server.fault = () => {
    abort.abort(new Error('stopped'))
    return 'hang'
  }
  await expect(httpEmbedder(options(), 4).embed(['a'], { signal: abort.signal })).rejects.toThrow('stopped')
  expect(server.requests).toHaveLength(1)
})

test('what one request has made is told of, though another fails', async () => {
  server.fault = ({ body }) => (body.input?.includes('bad') ? { status: 400, body: { error: 'no such text' } } : null)
  const told: number[] = []
  const embedder = httpEmbedder({ ...options(), limits: { texts: 1, characters: 100, requests: 1 } }, 4)
  const call = embedder.embed(['a', 'bad', 'c'], { onVectors: ({ places }) => told.push(...places) })
  const message = expect.stringMatching(/answered 400: no such text \(for the text "bad"\)$/)
  await expect(call).rejects.toMatchObject({ code: 'MODEL_FAILED', retryable: false, message })
  expect(told).toEqual([0])
})

test('a text that the endpoint finds too long is cut until it takes it, and costs no other text its vector', async () => {
  const longest = 700
  server.fault = ({ body }) =>
    body.input!.some(({ length }) => length > longest) ? { status: 400, body: { error: 'too long' } } : null
  const long = `${'l'.repeat(574)}🎬${'l'.repeat(1726)}` // its quarter ends in the middle of a character
  const vectors = await httpEmbedder(options(), 4).embed(['a', long, 'ccc'])
  expect(vectors).toEqual(expected(['a', 'l'.repeat(574), 'ccc']))
  expect(server.embedded).toHaveLength(3)
})

test('wrong settings are refused when it is opened, and the key is in no error', async () => {
  server.fault = () => ({ status: 401, body: { error: { message: 'incorrect key sk-secret' } } })
  const refused = openHttpEmbedder(options())
  await expect(refused).rejects.toMatchObject({
    code: 'MODEL_REFUSED',
    message: expect.stringMatching(/does not let us in: .*incorrect key \*\*\* \(check EMBEDDING_API_KEY\)/),
  })
  server.fault = () => ({ status: 404, body: { error: { message: 'model minilm does not exist' } } })
  await expect(openHttpEmbedder(options())).rejects.toMatchObject({ code: 'MODEL_REFUSED' })
  server.fault = () => ({ status: 302, headers: { location: 'http://127.0.0.1:1/elsewhere' } })
  await expect(openHttpEmbedder(options())).rejects.toMatchObject({ code: 'MODEL_REFUSED' })
  server.fault = () => null
  await expect(openHttpEmbedder(options({ dimension: 384 }))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    problems: [expect.stringContaining('EMBEDDING_DIMENSION: minilm')],
  })
  expect((await openHttpEmbedder(options())).dimension).toBe(4)
  expect((await openHttpEmbedder(options({ dimension: 4 }))).dimension).toBe(4)
  expect(server.requests.at(-1)!.body.dimensions).toBe(4)
})

test.each([
  ['too few vectors', { data: [] }],
  ['no list', { vectors: [] }],
  ['nothing', null],
  ['one text twice', { data: [0, 0].map((index) => ({ index, embedding: [1, 2, 3, 4] })) }],
  ['no numbers', { data: [0, 1].map((index) => ({ index, embedding: [1, 2, null, 4] })) }],
])('an answer with %s is refused', async (_, body) => {
  server.fault = () => ({ status: 200, body: body ?? [] })
  await expect(httpEmbedder(options(), 4).embed(['a', 'b'])).rejects.toMatchObject({
    code: 'MODEL_FAILED',
    message: expect.stringContaining(server.url),
  })
})
