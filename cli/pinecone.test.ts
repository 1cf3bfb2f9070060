import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { millrace, succeed } from '../checks/command.ts'
import { dumpOf } from '../checks/dump.ts'
import { type PineconeEmulator, startPineconeEmulator } from '../testing/index.ts'
import { readConfig } from './config.ts'
import { differences } from './dump.ts'

const data = mkdtempSync(join(tmpdir(), 'millrace-pinecone-cli-'))
let emulator: PineconeEmulator

beforeAll(async () => {
  await succeed(['simulate', '--titles', '12', '--data', data])
  await succeed(['run', 'bronze-movies', '--available-now', '--data', data])
  await succeed(['run', 'silver-movies', '--available-now', '--data', data])
}, 120_000)
afterAll(() => rmSync(data, { recursive: true, force: true }))
beforeEach(async () => {
  emulator = await startPineconeEmulator({ apiKey: 'a-s3cret' })
})
afterEach(() => emulator.close())

const envOf = (apiKey = 'a-s3cret') => ({
  PINECONE_API_KEY: apiKey,
  PINECONE_CONTROLLER_HOST: emulator.url,
  MILLRACE_RETRY_FOR: '1ms',
})

test('a key makes Pinecone the store, without one the embedded store keeps the vectors', () => {
  const env = { PINECONE_INDEX: 'titles', PINECONE_CONTROLLER_HOST: 'http://127.0.0.1:5080/' }
  expect(readConfig({ env }).pinecone).toBeNull()
  const { pinecone } = readConfig({ env: { ...env, PINECONE_API_KEY: 'k', PINECONE_CLOUD: 'gcp' } })
  const named = { index: 'titles', controllerHost: 'http://127.0.0.1:5080', cloud: 'gcp', region: 'us-east-1' }
  expect(pinecone).toEqual({ apiKey: 'k', ...named })
  expect(readConfig({ env: { PINECONE_API_KEY: 'k' } }).pinecone).toMatchObject({
    index: 'millrace',
    controllerHost: null,
    cloud: 'aws',
  })
})

test('a file says the same as the environment', () => {
  const file = join(data, 'config.json')
  const settings = { pineconeApiKey: 'k', pineconeIndex: 'titles', pineconeRegion: 'eu-west-1' }
  writeFileSync(file, JSON.stringify(settings))
  expect(readConfig({ env: {}, file }).pinecone).toMatchObject({ apiKey: 'k', index: 'titles', region: 'eu-west-1' })
})

test('all that is wrong with the settings is told at once, one line each, and no secret with it', () => {
  const env = {
    PINECONE_API_KEY: 'a s3cret',
    PINECONE_INDEX: 'Not An Index',
    PINECONE_CONTROLLER_HOST: 'http://me:s3cret@host',
    PINECONE_CLOUD: 'basement',
  }
  let problems: readonly string[] = []
  try {
    readConfig({ env })
  } catch (error) {
    problems = (error as { readonly problems: readonly string[] }).problems
  }
  expect(problems.map((line) => line.split(':')[0])).toEqual(Object.keys(env))
  expect(problems.join()).not.toContain('s3cret')
})

test('by configuration alone vectors are where the key leads, and the same as embedded', async () => {
  const run = ['run', 'vectors-movies', '--available-now', '--data', data]
  await succeed(run)
  await succeed(run, envOf())
  expect([...emulator.index('millrace')!.contents().keys()].sort()).toEqual(['_millrace', 'movies'])
  const [embedded, served] = [
    await dumpOf(data, { MILLRACE_LAKE: '', PINECONE_API_KEY: '' }),
    await dumpOf(data, { MILLRACE_LAKE: '', ...envOf() }),
  ]
  expect(served.get('vectors:movies')!.length).toBeGreaterThan(5)
  expect(differences(embedded, served)).toEqual([])
  const status = (await succeed(['status', '--json', '--data', data], envOf())).join('\n')
  expect(status).toContain('"movies"')
  expect(status).not.toContain('a-s3cret')
  const found = await succeed(['search', 'a story about love', '--json', '--data', data], envOf())
  expect(found.length).toBeGreaterThan(0)
}, 120_000)

test('a wrong key is told before anything is read, in one line and without it', async () => {
  for (const words of [
    ['run', 'vectors-movies', '--available-now'],
    ['search', 'love'],
    ['status', '--json'],
  ]) {
    const ended = await millrace([...words, '--data', data], envOf('wr0ng-key'))
    const said = ended.errors + ended.lines.join('\n')
    expect(said).toContain('the key is refused (check PINECONE_API_KEY)')
    expect(said).not.toContain('wr0ng-key')
    if (words[0] === 'run') {
      expect(ended.status).toBe(1)
      expect(ended.errors.trimEnd().split('\n')).toHaveLength(1)
    }
  }
  expect(emulator.index('millrace')).toBeUndefined()
}, 60_000)

test('an index of another dimension is refused before anything is read', async () => {
  const spec = { serverless: { cloud: 'aws', region: 'us-east-1' } }
  await fetch(`${emulator.url}/indexes`, {
    method: 'POST',
    headers: { 'api-key': 'a-s3cret' },
    body: JSON.stringify({ name: 'millrace', dimension: 7, metric: 'cosine', spec }),
  })
  const ended = await millrace(['run', 'vectors-movies', '--available-now', '--data', data], envOf())
  expect(ended.status).toBe(1)
  expect(ended.errors).toMatch(
    /^millrace: pipeline vectors-movies failed: pinecone index millrace has 7 dimensions and metric cosine, .*PINECONE_INDEX.*\n$/,
  )
  expect(emulator.requests.has('POST /vectors/upsert')).toBe(false)
}, 60_000)
