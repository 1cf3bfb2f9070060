import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { millrace, succeed } from '../checks/command.ts'
import { openTestBucket, service, type TestBucket } from '../connectors/storage/s3/bucket.testing.ts'
import { testData } from './data-dir.testing.ts'

const root = mkdtempSync(join(tmpdir(), 'millrace-lake-cli-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** A definition that reads the topic `numbers` into `t` and `dead_letters/t`. */
function definition(): string {
  const from = (folder: string) =>
    JSON.stringify(pathToFileURL(join(import.meta.dirname, '..', folder, 'index.ts')).href)
  const path = join(root, 'p.ts')
  writeFileSync(
    path,
    `import { delta, kafka } from ${from('connectors')}
import { definePipeline } from ${from('engine')}
import { int64, parseCritical } from ${from('operators')}
export default definePipeline({ name: 'p', source: kafka({ topic: 'numbers' }),
  steps: [parseCritical('parse', { id: int64('$.id') })],
  sink: delta({ table: 't', mode: 'append' }), deadLetters: delta({ table: 'dead_letters/t', mode: 'append' }) })\n`,
  )
  return path
}

test('without a bucket the client of S3 is not loaded', () => {
  const watch = `import { registerHooks } from 'node:module'
    registerHooks({ resolve(name, context, next) {
      const found = next(name, context)
      if (/@aws-sdk|storage\\/s3\\.ts/.test(found.url)) console.log('loaded', found.url)
      return found
    } })`
  const main = join(import.meta.dirname, 'main.ts')
  const words = ['--import', `data:text/javascript,${encodeURIComponent(watch)}`, main, 'check', '--data', root]
  const loaded = (env: Record<string, string>): string =>
    spawnSync(process.execPath, words, { encoding: 'utf8', env: { ...process.env, ...env } }).stdout
  const nowhere = { AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' }
  expect(loaded({})).not.toContain('loaded')
  expect(loaded({ MILLRACE_LAKE: 's3://lake', ...nowhere })).toContain('@aws-sdk/client-s3') // the watching itself works
})

test('settings that make no sense end a command with 2 and a line each', async () => {
  const env = { MILLRACE_LAKE: 's3://L', MILLRACE_CACHE_BYTES: 'much', MILLRACE_S3_PATH_STYLE: '1' }
  const ended = await millrace(['status', '--data', root], env)
  expect(ended.status).toBe(2)
  expect(ended.errors.trim().split('\n')).toHaveLength(3)
})

test('a lake in another folder leaves none in the data directory', async () => {
  const data = testData()
  try {
    await data.send('numbers', '{"id":1}', 'poison')
    const env = { MILLRACE_LAKE: join(root, 'elsewhere') }
    await succeed(['run', definition(), '--available-now', '--data', data.config.dataDir], env)
    expect(readdirSync(join(root, 'elsewhere')).sort()).toEqual(['dead_letters', 't'])
    expect(existsSync(join(data.config.dataDir, 'lake'))).toBe(false)
    const nowhere = join(root, 'no-data-here')
    expect(await succeed(['tables', 'show', 't', '--json', '--data', nowhere], env)).toHaveLength(1)
  } finally {
    data.remove()
  }
})

describe.skipIf(service.endpoint === '')('a lake in a bucket (needs AWS_ENDPOINT_URL_S3)', () => {
  let bucket: TestBucket
  beforeAll(() => {
    bucket = openTestBucket()
  })
  afterAll(() => bucket.close())
  const environment = (name = service.bucket, secret = service.secretKey) => ({
    MILLRACE_LAKE: `s3://${name}/${bucket.settings().prefix}`,
    AWS_ENDPOINT_URL_S3: service.endpoint,
    AWS_ACCESS_KEY_ID: service.accessKey,
    AWS_SECRET_ACCESS_KEY: secret,
    AWS_REGION: service.region,
  })

  test('every command works on it, on this machine and on one that holds nothing', async () => {
    const data = testData()
    try {
      await data.send('numbers', '{"id":1}', '{"id":2}', 'poison')
      const env = environment()
      const here = ['--data', data.config.dataDir]
      await succeed(['run', definition(), '--available-now', ...here], env)
      const again = await succeed(['run', definition(), '--available-now', ...here], env)
      expect(again.filter((line) => line.includes('"committed"'))).toEqual([])
      for (const place of [here, ['--data', join(root, 'another-machine')]]) {
        expect(await succeed(['tables', 'show', 't', '--json', ...place], env)).toHaveLength(2)
        expect(await succeed(['tables', 'history', 't', '--json', ...place], env)).toHaveLength(1)
        expect(await succeed(['dead-letters', 'list', '--json', ...place], env)).toHaveLength(1)
        expect((await succeed(['audit', 't', '--rows', ...place], env)).join('\n')).toContain('0 findings')
        expect((await succeed(['status', ...place], env)).join('\n')).toContain('dead_letters/t')
      }
      expect(readdirSync(data.config.dataDir).sort()).toEqual(['cache', 'log', 'stores', 'tmp'])
      expect(readdirSync(join(data.config.dataDir, 'cache/held'))).toEqual([])
    } finally {
      data.remove()
    }
  })

  test.each([
    ['a bucket that is not there', () => environment('not-there-4711'), 'the bucket does not exist'],
    ['a wrong secret', () => environment(service.bucket, 'wrong-4711'), 'AWS_SECRET_ACCESS_KEY'],
  ])('%s ends a run at its start, in one line', async (_, env, words) => {
    const data = join(root, 'refused')
    const ended = await millrace(['run', '--all', '--available-now', '--data', data], env())
    expect(ended.status).toBe(1)
    expect(ended.errors).toMatch(/^millrace: s3:\/\/.*\n$/)
    expect(ended.errors).toContain(words)
    expect(ended.errors + ended.lines.join('\n')).not.toContain('wrong-4711')
    expect(existsSync(data)).toBe(false)
  })

  test('a service that is away ends a run once patience is over', async () => {
    const data = testData()
    try {
      await data.send('numbers', '{"id":1}')
      const env = { ...environment(), AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1', MILLRACE_RETRY_FOR: '1ms' }
      const ended = await millrace(['run', definition(), '--available-now', '--data', data.config.dataDir], env)
      expect(ended.status).toBe(1)
      expect(ended.errors).toMatch(
        /^millrace: pipeline \S+ failed: .*connection refused.*\(gave up after 3 tries in \d+ m?s\)\n$/,
      )
    } finally {
      data.remove()
    }
  })
})
