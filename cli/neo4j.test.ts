import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { millrace, succeed } from '../checks/command.ts'
import { type OwnDatabase, ownDatabase, service, turnMs } from '../connectors/neo4j/service.testing.ts'
import { readConfig } from './config.ts'

const data = mkdtempSync(join(tmpdir(), 'millrace-neo4j-cli-'))
afterAll(() => rmSync(data, { recursive: true, force: true }))

test('an address makes Neo4j the store, without one the embedded store serves the graph', () => {
  expect(readConfig({ env: { NEO4J_USER: 'app' } }).neo4j).toBeNull()
  const env = { NEO4J_URI: 'neo4j+s://host:7687/', NEO4J_USER: 'app', NEO4J_PASSWORD: 's3cret' }
  const named = { uri: 'neo4j+s://host:7687', user: 'app', password: 's3cret', database: null, caFile: null }
  expect(readConfig({ env }).neo4j).toEqual({ ...named, timeoutMs: 20_000 })
  const more = { ...env, NEO4J_DATABASE: 'films', NEO4J_TIMEOUT_MS: '5000', NEO4J_CA: import.meta.filename }
  const all = { ...named, database: 'films', timeoutMs: 5_000, caFile: import.meta.filename }
  expect(readConfig({ env: more }).neo4j).toEqual(all)
})

test.each(['host:7687', 'http://host', 'bolt://', 'bolt://app:s3cret@host:7687', 'bolt://host?password=s3cret'])(
  '%s is no address, and no secret in it is repeated',
  (uri) => {
    const read = () => readConfig({ env: { NEO4J_URI: uri } })
    expect(read).toThrow(/NEO4J_URI: must be bolt:/)
    expect(read).not.toThrow(/s3cret/)
  },
)

test('an authority without TLS that asks for one is refused, and one that is not there', () => {
  const read = (uri: string, ca: string) => () => readConfig({ env: { NEO4J_URI: uri, NEO4J_CA: ca } })
  expect(read('bolt://host', import.meta.filename)).toThrow(/NEO4J_CA: an authority needs TLS/)
  expect(read('bolt+ssc://host', import.meta.filename)).toThrow(/NEO4J_CA: an authority needs TLS/)
  expect(read('bolt+s://host', '/not/there.pem')).toThrow(/NEO4J_CA: must be a file that is there/)
})

/** Silver with three titles, in which nobody has asked for a graph yet. */
beforeAll(async () => {
  await succeed(['simulate', '--titles', '3', '--data', data])
  await succeed(['run', 'bronze-movies', '--available-now', '--data', data])
  await succeed(['run', 'silver-movies', '--available-now', '--data', data])
})

test('a service that stays away ends the run with 1 once patience is over, in one line', async () => {
  const env = { NEO4J_URI: 'bolt://127.0.0.1:1', MILLRACE_RETRY_FOR: '1ms' }
  const ended = await millrace(['run', 'graph-movies', '--available-now', '--data', data], env)
  expect(ended.status).toBe(1)
  expect(ended.errors).toMatch(
    /^millrace: pipeline \S+ failed: neo4j at bolt:\/\/127\.0\.0\.1:1: .*\(gave up after 3 tries in \d+ m?s\)\n$/,
  )
})

describe.skipIf(service.uri === '')('over a service (needs NEO4J_URI)', () => {
  let own: OwnDatabase
  beforeAll(async () => {
    own = await ownDatabase()
  }, turnMs)
  afterAll(() => own.close())
  const env = { NEO4J_URI: service.uri, NEO4J_USER: service.user, NEO4J_PASSWORD: service.password }

  test('who is not let in is told at once, without the password', async () => {
    const stranger = { ...env, NEO4J_USER: 'nobody', NEO4J_PASSWORD: 'a-s3cret' }
    const ended = await millrace(['run', 'graph-movies', '--available-now', '--data', data], stranger)
    expect(ended.status).toBe(1)
    expect(ended.errors).toMatch(
      /^millrace: pipeline \S+ failed: neo4j at .*user nobody is refused.*NEO4J_PASSWORD.*\n$/,
    )
    expect(ended.errors + ended.lines.join('')).not.toContain('a-s3cret')
  })

  test('a graph that nobody has filled is told as such; filled, it answers queries, ready questions and status', async () => {
    const ask = (...words: string[]) => succeed([...words, '--json', '--data', data], env)
    const none = await millrace(['graph', 'MATCH (n) RETURN n', '--data', data], env)
    expect(none.errors).toMatch(/holds no graph of ours/)
    await succeed(['run', 'graph-movies', '--available-now', '--data', data], env)
    const rows = (await ask('graph', 'MATCH (m:Movie) RETURN count(*) AS n')).map((line) => JSON.parse(line))
    expect(rows).toEqual([{ n: expect.any(Number) }])
    const status = (await ask('status')).map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(status).toContainEqual(expect.objectContaining({ store: 'graph', name: 'Movie', count: rows[0].n }))
    const [someone] = (await ask('graph', 'hubs', '--top', '1')).map((line) => JSON.parse(line))
    const costars = (await ask('graph', 'co-stars', String(someone.id))).map((line) => JSON.parse(line))
    expect(costars.length).toBeGreaterThan(0)
    expect(await ask('graph', 'credits', String(someone.id))).not.toEqual([])
    expect(await ask('graph', 'pairs', '--top', '3')).toBeInstanceOf(Array)
    const path = (await ask('graph', 'path', String(someone.id), String(costars[0].id))).map((line) => JSON.parse(line))
    expect(path).toHaveLength(3)
    const refused = await millrace(['graph', 'MATCH (n) DETACH DELETE n', '--data', data], env)
    expect(refused.errors).toMatch(/DETACH is not allowed: queries only read the graph/)
  })
})
