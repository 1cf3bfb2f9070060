import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { millrace, succeed } from '../checks/command.ts'
import { service } from '../connectors/clickhouse/service.testing.ts'
import { readConfig } from './config.ts'

const data = mkdtempSync(join(tmpdir(), 'millrace-clickhouse-cli-'))
afterAll(() => rmSync(data, { recursive: true, force: true }))

test('an address makes ClickHouse the store, without one the embedded store serves the tables', () => {
  expect(readConfig({ env: { CLICKHOUSE_USER: 'app' } }).clickhouse).toBeNull()
  const env = { CLICKHOUSE_URL: 'https://host:8443/', CLICKHOUSE_USER: 'app', CLICKHOUSE_PASSWORD: 's3cret' }
  const named = { url: 'https://host:8443', user: 'app', password: 's3cret', database: 'default', ca: null }
  expect(readConfig({ env }).clickhouse).toEqual({ ...named, requestTimeoutMs: 30_000 })
  const patient = readConfig({ env: { ...env, CLICKHOUSE_TIMEOUT_MS: '90000' } })
  expect(patient.clickhouse).toEqual({ ...named, requestTimeoutMs: 90_000 })
})

test.each(['host:8123', 'ftp://host', 'http://app:s3cret@host:8123', 'http://host?password=s3cret'])(
  '%s is no address, and no secret in it is repeated',
  (url) => {
    const read = () => readConfig({ env: { CLICKHOUSE_URL: url } })
    expect(read).toThrow(/CLICKHOUSE_URL: must be http:/)
    expect(read).not.toThrow(/s3cret/)
  },
)

test('a service that stays away ends the run with 1 once patience is over, in one line', async () => {
  await succeed(['simulate', '--titles', '3', '--data', data])
  await succeed(['run', 'bronze-movies', '--available-now', '--data', data])
  await succeed(['run', 'silver-movies', '--available-now', '--data', data])
  const env = { CLICKHOUSE_URL: 'http://127.0.0.1:1', MILLRACE_RETRY_FOR: '1ms' }
  const ended = await millrace(['run', 'olap-movies', '--available-now', '--data', data], env)
  expect(ended.status).toBe(1)
  expect(ended.errors).toMatch(
    /^millrace: pipeline \S+ failed: clickhouse at http:\/\/127\.0\.0\.1:1: .*\(gave up after 3 tries in \d+ m?s\)\n$/,
  )
})

test.skipIf(service.url === '')(
  'who is not let in is told at once, without the password (needs CLICKHOUSE_URL)',
  async () => {
    const env = { CLICKHOUSE_URL: service.url, CLICKHOUSE_USER: 'nobody', CLICKHOUSE_PASSWORD: 'a-s3cret' }
    const ended = await millrace(['run', 'olap-movies', '--available-now', '--data', data], env)
    expect(ended.status).toBe(1)
    expect(ended.errors).toMatch(
      /^millrace: pipeline \S+ failed: clickhouse at .*user nobody is refused.*CLICKHOUSE_PASSWORD.*\n$/,
    )
    expect(ended.errors + ended.lines.join('')).not.toContain('a-s3cret')
  },
)
