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
  expect(config).toMatchObject({ dataDir: './data', partitions: 4, memoryLimitBytes: 512 * 2 ** 20, fault: null })
  expect(Object.isFrozen(config)).toBe(true)
})

test('a flag wins over the environment, the environment over the file, the file over the default', () => {
  const path = file('all.json', JSON.stringify({ data: 'from-file', workers: 2, partitions: 8, memoryLimitMiB: 100 }))
  const env = { MILLRACE_DATA: 'from-env', MILLRACE_WORKERS: '3' }
  expect(readConfig({ env, file: path, dataDir: 'from-flag' })).toMatchObject({
    dataDir: 'from-flag',
    workers: 3,
    partitions: 8,
    memoryLimitBytes: 100 * 2 ** 20,
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
  expect(problems.join('\n')).toContain('MILLRACE_MEMORY_LIMIT_MIB: must be a whole number from 64')
  expect(problems.join('\n')).toContain('MILLRACE_FAULT: must be <point>:<passage>:<kill|throw|crash>')
})

test('a file that is named must be there and hold an object; the default one need not', () => {
  expect(problemsOf({ env: {}, file: join(dir, 'none.json') }).join()).toContain('cannot be read as JSON')
  expect(problemsOf({ env: {}, file: file('list.json', '[1]') }).join()).toContain('must hold one JSON object')
  expect(problemsOf({ env: {}, file: file('broken.json', '{') }).join()).toContain('cannot be read as JSON')
  expect(problemsOf({ env: {} })).toEqual([])
})

test('a fault is read from the environment for crash tests', () => {
  const { fault } = readConfig({ env: { MILLRACE_FAULT: 'between-sinks:2:kill' } })
  expect(fault).toEqual({ point: 'between-sinks', passage: 2, action: 'kill' })
  for (const text of ['between-sinks', 'between-sinks:0:kill', 'between-sinks:1:burn', 'between-sinks:1:kill:x'])
    expect(problemsOf({ env: { MILLRACE_FAULT: text } })).toHaveLength(1)
})
