import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadNative } from '../../connectors/ladybug/native.ts'
import { movieEvent, testData } from '../data-dir.testing.ts'
import { openWorkspace, type Workspace } from '../workspace.ts'
import { apiServer } from './server.ts'

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
  expect((await get('/search?text=keeper&year=2000-')).body.found.map(({ id }: { readonly id: string }) => id)).toEqual(
    ['2'],
  )
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
    body: { error: { problems: [expect.stringContaining('has no parameter colour')] } },
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
  expect(await get('/health', { host: 'evil.example' })).toMatchObject({
    status: 403,
    body: { error: { code: 'FORBIDDEN' } },
  })
})
