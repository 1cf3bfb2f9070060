import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadNative } from '../../connectors/ladybug/native.ts'
import { movieEvent, testData } from '../data-dir.testing.ts'
import { openWorkspace, type Workspace } from '../workspace.ts'
import { apiServer } from './server.ts'

const token = 'a-token-of-forty-characters-for-the-tests'

const available = await loadNative().then(
  () => true,
  () => false,
)
const data = testData()
let workspace: Workspace
let app: FastifyInstance

beforeAll(async () => {
  const role = (id: number, name: string, creditId: string) => ({
    id,
    name,
    credit_id: creditId,
    character: 'somebody',
  })
  await data.send(
    'tmdb.movies',
    movieEvent(1, 'First', {
      overview: 'A lighthouse keeper loses his way.',
      release_date: '1999-05-01',
      credits: { cast: [role(1, 'Ann', 'a'), role(2, 'Bob', 'b')], crew: [] },
    }),
    movieEvent(2, 'Second', {
      overview: 'Two chefs in a storm.',
      release_date: '2005-05-01',
      credits: { cast: [role(2, 'Bob', 'c'), role(2 ** 53, 'Big', 'd')], crew: [] },
    }),
  )
  await data.run(
    'bronze-movies',
    'silver-movies',
    'vectors-movies',
    'olap-movies',
    ...(available ? ['graph-movies'] : []),
  )
  workspace = await openWorkspace(data.config)
  app = await apiServer(workspace, { host: '127.0.0.1', port: 0 })
})
afterAll(async () => {
  await app.close()
  await workspace.close()
  data.remove()
})

async function get(url: string, headers: Record<string, string> = {}) {
  const answer = await app.inject({ url, headers: { host: '127.0.0.1:8080', ...headers } })
  return { status: answer.statusCode, body: answer.json() }
}

describe.skipIf(!available)('the graph over HTTP (skipped where its engine has no build for the machine)', () => {
  test('questions are answered as the command line answers them; whole numbers beyond 2^53 are text', async () => {
    expect(await get('/graph/co-stars?person=bob')).toEqual({
      status: 200,
      body: {
        coStars: [
          { id: 1, name: 'Ann', titles: 1 },
          { id: '9007199254740992', name: 'Big', titles: 1 },
        ],
      },
    })
    const { body } = await get('/graph/path?from=Ann&to=Big')
    expect(body.path.map((step: { readonly name: string }) => step.name)).toEqual([
      'Ann',
      'First',
      'Bob',
      'Second',
      'Big',
    ])
  })

  test('somebody who is not there is an answer that says so', async () => {
    expect(await get('/graph/credits?person=Zoe')).toMatchObject({
      status: 400,
      body: { error: { code: 'CONFIG_INVALID', message: expect.stringContaining('no Person is named Zoe') } },
    })
  })
})

test('search finds by meaning, within years; without a model a question is answered with passages', async () => {
  const { body } = await get('/search?text=keeper+of+a+lighthouse&type=movies&top=1')
  expect(body.found).toMatchObject([{ namespace: 'movies', id: '1', metadata: { title: 'First', year: 1999 } }])
  expect(Object.keys(body.found[0])).toEqual(['namespace', 'id', 'score', 'metadata'])
  expect((await get('/search?text=storm&year=2000-')).body.found.map(({ id }: { readonly id: string }) => id)).toEqual([
    '2',
  ])
  const asked = await app.inject({
    method: 'POST',
    url: '/ask',
    headers: { host: 'localhost' },
    payload: { question: 'Who keeps a lighthouse?', top: 1 },
  })
  expect(asked.json()).toMatchObject({ answer: null, citations: [], passages: [{ number: 1, title: 'First' }] })
})

test('ready queries are listed and answered; parameters that a query does not have are refused', async () => {
  const { body } = await get('/olap')
  expect(body.queries.map(({ name }: { readonly name: string }) => name)).toContain('runtimes')
  expect((await get('/olap/runtimes')).status).toBe(200)
  expect(await get('/olap/runtimes?colour=red')).toMatchObject({
    status: 400,
    body: { error: { problems: [expect.stringContaining('querystring: colour: the query has no such parameter')] } },
  })
  expect((await get('/olap/nothing')).status).toBe(404)
})

test('input that is wrong is refused with every problem at once', async () => {
  expect((await get('/search?text=x&year=20')).body.error.message).toContain('year: must be a year')
  const { status, body } = await get('/graph/co-stars?top=0&colour=red')
  expect(status).toBe(400)
  expect(body.error.problems).toEqual([
    "querystring: must have required property 'person'",
    'querystring: must NOT have additional properties (colour)',
    'querystring.top: must be >= 1',
  ])
})

test('a route that is not there is 404 and says where the routes are described', async () => {
  expect(await get('/nowhere')).toMatchObject({
    status: 404,
    body: { error: { message: expect.stringContaining('/openapi.json') } },
  })
})

test('the description names every route, its parameters and its errors', async () => {
  const { body } = await get('/openapi.json')
  const described = Object.entries(body.paths as Record<string, Record<string, { responses: object }>>)
  const routes: string[] = [] // a route of several parts stands below its first
  for (const [, indent = '', route = ''] of app
    .printRoutes({ commonPrefix: false })
    .matchAll(/^([│ ]*)[├└]── (\S+) \(/gm))
    routes.push(
      indent === '' ? route : `${routes.findLast((each) => !each.includes('{'))}${route.replace(/:(\w+)/, '{$1}')}`,
    )
  expect(described.map(([path]) => path).sort()).toEqual(routes.filter((route) => route !== '/openapi.json').sort())
  for (const [, methods] of described)
    for (const { responses } of Object.values(methods)) expect(Object.keys(responses)).toEqual(['200', 'default'])
})

test('a page of another site cannot ask through the browser of a visitor', async () => {
  expect((await get('/health')).status).toBe(200)
  for (const host of ['evil.example', '127.0.0.1.attacker.example', 'localhost.attacker.example', '127.1', '[::2]'])
    expect(await get('/health', { host }), host).toMatchObject({ status: 403, body: { error: { code: 'FORBIDDEN' } } })
  for (const host of ['localhost:8080', '127.0.0.1', '127.8.9.1:80', '[::1]:8080'])
    expect(await get('/health', { host }), host).toMatchObject({ status: 200 })
  for (const site of ['cross-site', 'same-site'])
    expect((await get('/search?text=x', { 'sec-fetch-site': site })).status).toBe(403)
  for (const site of ['none', 'same-origin'])
    expect((await get('/health', { 'sec-fetch-site': site })).status).toBe(200)
  expect((await get('/health', { origin: 'https://evil.example' })).status).toBe(403)
  expect((await get('/health', { origin: 'http://127.0.0.1:8080' })).status).toBe(200)
})

test('other machines are served only with a token, and get nothing of the data without it', async () => {
  await expect(apiServer(workspace, { host: '0.0.0.0', port: 0 })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('MILLRACE_SERVE_TOKEN'),
  })
  for (const host of ['127.0.0.1.attacker.example', '::', 'data.example'])
    await expect(apiServer(workspace, { host, port: 0 })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  const guarded = await apiServer(workspace, { host: '0.0.0.0', port: 0, token })
  const status = async (url: string, headers: Record<string, string> = {}) =>
    (await guarded.inject({ url, headers: { host: 'data.example', ...headers } })).statusCode
  expect(await status('/health')).toBe(200)
  for (const authorization of ['', token, 'Bearer', `Bearer ${token}x`, `Bearer ${token.slice(1)}`, `Basic ${token}`])
    expect(await status('/olap/runtimes', { authorization }), authorization).toBe(401)
  expect(await status('/nowhere')).toBe(401)
  expect(await status('/olap/runtimes', { authorization: `Bearer ${token}` })).toBe(200)
  await guarded.close()
})

test('every error has one shape, and shows neither a path nor SQL', async () => {
  const statements: [
    number,
    { readonly method: 'GET' | 'POST' | 'DELETE'; readonly url: string; readonly payload?: string },
  ][] = [
    [400, { method: 'GET', url: '/%zz' }],
    [400, { method: 'GET', url: '/search' }],
    [400, { method: 'POST', url: '/ask', payload: '{' }],
    [413, { method: 'POST', url: '/ask', payload: JSON.stringify({ question: 'x'.repeat(100_000) }) }],
    [404, { method: 'DELETE', url: '/search?text=x' }],
    [404, { method: 'GET', url: '/olap/nothing' }],
  ]
  for (const [status, request] of statements) {
    const headers = { host: 'localhost', ...('payload' in request ? { 'content-type': 'application/json' } : {}) }
    const answer = await app.inject({ ...request, headers })
    const { error, ...rest } = answer.json()
    expect([answer.statusCode, rest, typeof error.code, typeof error.message], request.url).toEqual([
      status,
      {},
      'string',
      'string',
    ])
  }
})

test('a store that is not there yet is 404 without the path of where it would be', async () => {
  const empty = testData()
  const nowhere = await openWorkspace(empty.config)
  const server = await apiServer(nowhere, { host: '127.0.0.1', port: 0 })
  for (const url of ['/search?text=x', '/olap/runtimes', ...(available ? ['/graph/hubs'] : [])]) {
    const answer = await server.inject({ url, headers: { host: 'localhost' } })
    expect([answer.statusCode, answer.json().error.code], url).toEqual([404, 'TABLE_NOT_FOUND'])
    expect(answer.body).not.toContain(empty.config.dataDir)
    expect(answer.body).not.toMatch(/\/(tmp|var|home|Users)\//)
  }
  await server.close()
  await nowhere.close()
  empty.remove()
})

test('requests beyond what is admitted are refused with the time to come again', async () => {
  const narrow = await apiServer(workspace, { host: '127.0.0.1', port: 0, limits: { running: 1, waiting: 1 } })
  const answers = await Promise.all(
    Array.from({ length: 12 }, () => narrow.inject({ url: '/search?text=storm', headers: { host: 'localhost' } })),
  )
  const counts = Map.groupBy(answers, ({ statusCode }) => statusCode)
  expect([...counts.keys()].sort()).toEqual([200, 503])
  expect(counts.get(200)!.length).toBeGreaterThanOrEqual(2)
  for (const { headers, body } of counts.get(503)!) {
    expect(headers['retry-after']).toBe('1')
    expect(JSON.parse(body)).toMatchObject({ error: { code: 'STORE_BUSY' } })
  }
  await narrow.close()
})
