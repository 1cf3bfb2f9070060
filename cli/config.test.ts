import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { MillraceError } from '../engine/errors.ts'
import { type ConfigInput, readConfig } from './config.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-config-'))
afterAll(() => rmSync(dir, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(dir, name)
  writeFileSync(path, text)
  return path
}

function problemsOf(input: ConfigInput): readonly string[] {
  try {
    readConfig(input)
  } catch (error) {
    expect((error as MillraceError).code).toBe('CONFIG_INVALID')
    return (error as MillraceError).problems
  }
  return []
}

test('without settings there are defaults, and nobody can change them', () => {
  const config = readConfig({ env: {} })
  expect(config).toMatchObject({ dataDir: './data', partitions: 4, memoryLimitBytes: 768 * 2 ** 20, fault: null })
  expect(Object.isFrozen(config)).toBe(true)
})

test('a flag wins over the environment, the environment over the file, the file over the default', () => {
  const path = file('all.json', JSON.stringify({ data: 'from-file', workers: 2, partitions: 8, memoryLimitMiB: 300 }))
  const env = { MILLRACE_DATA: 'from-env', MILLRACE_WORKERS: '3' }
  expect(readConfig({ env, file: path, dataDir: 'from-flag' })).toMatchObject({
    dataDir: 'from-flag',
    workers: 3,
    partitions: 8,
    memoryLimitBytes: 300 * 2 ** 20,
  })
  expect(readConfig({ env, file: path }).dataDir).toBe('from-env')
  expect(readConfig({ env: {}, file: path }).dataDir).toBe('from-file')
})

test('every wrong setting is told at once, by the name under which it was given', () => {
  const path = file('wrong.json', JSON.stringify({ workers: 'many', colour: 'red', partitions: 0 }))
  const problems = problemsOf({ env: { MILLRACE_MEMORY_LIMIT_MIB: '1', MILLRACE_FAULT: 'nowhere:1:kill' }, file: path })
  expect(problems).toHaveLength(5)
  expect(problems.join('\n')).toContain(`${path}: colour: unknown setting (known: data, workers`)
  expect(problems.join('\n')).toContain(`${path}: workers: must be a whole number from 0 to 64, not "many"`)
  expect(problems.join('\n')).toContain(`${path}: partitions: must be a whole number from 1 to 1024, not "0"`)
  expect(problems.join('\n')).toContain('MILLRACE_MEMORY_LIMIT_MIB: must be a whole number from 256')
  expect(problems.join('\n')).toContain('MILLRACE_FAULT: must be <point>:<passage>:<kill|throw|crash>')
})

test('a file that is named must be there and hold an object; the default one need not', () => {
  expect(problemsOf({ env: {}, file: join(dir, 'none.json') }).join()).toContain('cannot be read')
  expect(problemsOf({ env: {}, file: file('list.json', '[1]') }).join()).toContain('must hold one JSON object')
  expect(problemsOf({ env: {}, file: file('broken.json', '{') }).join()).toContain('is not valid JSON')
  expect(problemsOf({ env: {} })).toEqual([])
})

test('a fault is read from the environment for crash tests', () => {
  const { fault } = readConfig({ env: { MILLRACE_FAULT: 'between-sinks:2:kill' } })
  expect(fault).toEqual({ point: 'between-sinks', passage: 2, action: 'kill' })
  for (const text of ['between-sinks', 'between-sinks:0:kill', 'between-sinks:1:burn', 'between-sinks:1:kill:x'])
    expect(problemsOf({ env: { MILLRACE_FAULT: text } })).toHaveLength(1)
})

test('what is wrong with a file is told by its place, never by its text', () => {
  const path = file('secret.json', '{\n  "kafkaPassword": "hunter2-hunter2",\n  oops\n}')
  const [problem] = problemsOf({ env: {}, file: path })
  expect(problem).toBe(
    `${path}: is not valid JSON (line 3, column 3): it must hold one JSON object, such as { "data": "./data" }`,
  )
  for (const text of [
    'hunter2-hunter2',
    '"hunter2-hunter2',
    '{"kafkaPassword": hunter2-hunter2}',
    '{"a":"hunter2-hunter2" "b"',
  ])
    expect(problemsOf({ env: {}, file: file('cut.json', text) }).join()).not.toContain('hunter2')
})

test.each([
  ['KAFKA_BROKERS', 'app:hunter2@127.0.0.1:9092'],
  ['NEO4J_URI', 'bolt://neo4j:hunter2@127.0.0.1:7687'],
  ['CLICKHOUSE_URL', 'http://app:hunter2@127.0.0.1:8123'],
  ['MILLRACE_LAKE', 's3://key:hunter2@bucket/lake'],
  ['AWS_ENDPOINT_URL_S3', 'http://key:hunter2@127.0.0.1:9000'],
  ['PINECONE_CONTROLLER_HOST', 'https://key:hunter2@pinecone.example'],
  ['EMBEDDING_URL', 'https://key:hunter2@models.example'],
  ['MILLRACE_CHAT_URL', 'https://key:hunter2@models.example'],
  ['MILLRACE_WORKERS', 'postgres://app:hunter2@127.0.0.1/db'],
])('a password inside %s is refused without being repeated', (variable, text) => {
  const env = {
    MILLRACE_LAKE: 's3://bucket',
    MILLRACE_EMBEDDER: 'openai',
    NEO4J_PASSWORD: 'x',
    PINECONE_API_KEY: 'x',
    [variable]: text,
  }
  const problems = problemsOf({ env })
  expect(problems.filter((problem) => problem.includes(variable))).not.toEqual([])
  expect(problems.join('\n')).not.toContain('hunter2')
})
