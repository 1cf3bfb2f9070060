import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import type { MillraceError } from '../engine/errors.ts'
import { type Config, readConfig } from './config.ts'

const lakeOf = (env: Record<string, string>): Config['lake'] => readConfig({ env }).lake

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig({ env })
  } catch (error) {
    expect((error as MillraceError).code).toBe('CONFIG_INVALID')
    return (error as MillraceError).problems
  }
  return []
}

test('without a lake it is in the data directory, and endpoints of other services mean nothing', () => {
  expect(lakeOf({})).toBeNull()
  expect(lakeOf({ MILLRACE_LAKE: '', AWS_ENDPOINT_URL: 'whatever' })).toBeNull()
})

test('a folder is named by a path or a file URL', () => {
  const dir = resolve('some where')
  expect(lakeOf({ MILLRACE_LAKE: 'some where' })).toEqual({ kind: 'folder', dir })
  expect(lakeOf({ MILLRACE_LAKE: pathToFileURL(dir).href })).toEqual({ kind: 'folder', dir })
})

test('a bucket, its folder, and how it is reached', () => {
  const s3 = { bucket: 'data.lake', prefix: '', endpoint: null, pathStyle: false, ca: null }
  expect(lakeOf({ MILLRACE_LAKE: 's3://data.lake' })).toEqual({ kind: 's3', s3, cacheBytes: 10 * 2 ** 30 })
  const lake = { MILLRACE_LAKE: 's3://data.lake/a/b/', MILLRACE_CACHE_BYTES: '5' }
  expect(lakeOf(lake)).toEqual({ kind: 's3', s3: { ...s3, prefix: 'a/b' }, cacheBytes: 5 })
  expect(lakeOf({ ...lake, AWS_ENDPOINT_URL: 'http://minio:9000' })).toMatchObject({
    s3: { endpoint: 'http://minio:9000', pathStyle: true },
  })
  const both = { AWS_ENDPOINT_URL: 'http://all', AWS_ENDPOINT_URL_S3: 'https://s3', MILLRACE_S3_PATH_STYLE: 'false' }
  expect(lakeOf({ ...lake, ...both })).toMatchObject({ s3: { endpoint: 'https://s3', pathStyle: false } })
})

test('the authority is read from its file', () => {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-lake-config-'))
  try {
    writeFileSync(join(dir, 'ca.pem'), 'PEM')
    expect(lakeOf({ MILLRACE_LAKE: 's3://lake', MILLRACE_S3_CA: join(dir, 'ca.pem') })).toMatchObject({
      s3: { ca: 'PEM' },
    })
  } finally {
    rmSync(dir, { recursive: true })
  }
})

test('what makes no sense is told all at once, each by its name', () => {
  const problems = problemsOf({
    MILLRACE_LAKE: 's3://Lake_',
    MILLRACE_S3_PATH_STYLE: 'yes',
    MILLRACE_S3_CA: '/not/there.pem',
    MILLRACE_CACHE_BYTES: '-1',
    AWS_ENDPOINT_URL_S3: 'localhost:9000',
  })
  const names = [
    'MILLRACE_LAKE',
    'MILLRACE_S3_PATH_STYLE',
    'MILLRACE_S3_CA',
    'MILLRACE_CACHE_BYTES',
    'AWS_ENDPOINT_URL_S3',
  ]
  expect(problems.map((problem) => problem.split(':')[0])).toEqual(names)
})

test.each(['gs://lake', 's3://', 's3://lake//a', 's3://lake/.a', 's3://lake/a/../b', 's3://lake?x=1'])(
  '%s is no lake',
  (text) => expect(problemsOf({ MILLRACE_LAKE: text })).toHaveLength(1),
)

test('a secret that was put where none belongs is not repeated', () => {
  const env = { MILLRACE_LAKE: 's3://key:s3cret@lake', AWS_ENDPOINT_URL_S3: 'http://key:s3cret@host' }
  for (const problems of [problemsOf(env), problemsOf({ ...env, MILLRACE_LAKE: 's3a://key:s3cret@lake' })]) {
    expect(problems).toHaveLength(2)
    expect(problems.join('\n')).not.toContain('s3cret')
  }
})
