import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fileLogSource } from '../../connectors/file-log/source.ts'
import { delta, kafka } from '../../connectors/index.ts'
import { systemClock } from '../../engine/clock.ts'
import { definePipeline } from '../../engine/define.ts'
import type { Pipeline } from '../../engine/pipeline.ts'
import { int64, parseCritical } from '../../operators/index.ts'
import { movieEvent, printed, printedJson, testData } from '../data-dir.testing.ts'
import { list, replay } from './dead-letters.ts'

const data = testData()
afterAll(() => data.remove())

const damaged = Buffer.from([0x7b, 0xff, 0xfe])

beforeAll(async () => {
  await data.send('tmdb.movies', movieEvent(1, 'Heat'), '{"id":3}', damaged, `broken ${'x'.repeat(100)}`)
  await data.send('tmdb.people', 'nobody')
  await data.run('bronze-movies', 'bronze-people')
})

async function recordsOf(topic: string): Promise<bigint> {
  const source = fileLogSource({ dir: join(data.config.dataDir, 'log'), choice: { topic }, clock: systemClock })
  const latest = await source.latest()
  await source.close()
  return [...latest.values()].reduce((sum, next) => sum + next, 0n)
}

test('rejected records are listed newest first, with the cause and the bytes as they came', async () => {
  const { code, rows } = await printedJson(() => list(data.context({ json: true })))
  expect(code).toBe(0)
  expect(rows).toHaveLength(4)
  const times = rows.map(({ timestamp }) => String(timestamp))
  expect(times).toEqual(times.toSorted().reverse())
  expect(rows[0]).toMatchObject({ table: 'dead_letters/movies', step: 'parse', code: 'NOT_JSON', key: '3' })
  expect(rows[0]!.value).toHaveLength(107)
  expect(rows[1]!.value).toEqual({ base64: damaged.toString('base64') })
  expect(rows.at(-1)).toMatchObject({ table: 'dead_letters/people', topic: 'tmdb.people', offset: 0, value: 'nobody' })
})

test('people see values as text, cut, even damaged ones', async () => {
  const { lines } = await printed(() => list(data.context({ arguments: ['movies'], options: { limit: 2 } })))
  expect(lines).toHaveLength(4)
  expect(lines[0]).toMatch(/^table +pipeline +step +code +message +topic +partition +offset +key +value$/)
  expect(lines[2]).toMatch(/broken x+…$/)
  expect(lines[3]).toMatch(/\{\uFFFD\uFFFD$/)
})

test('a table that is none is answered with those that are', async () => {
  await expect(list(data.context({ arguments: ['music'] }))).rejects.toMatchObject({
    message: expect.stringContaining('dead_letters/movies, dead_letters/people'),
  })
})

test('every rejected record is sent again once, however often the command is run', async () => {
  const before = await recordsOf('tmdb.movies')
  const send = () => printed(() => replay(data.context({ arguments: ['dead_letters/movies'] })))
  expect(await send()).toEqual({ code: 0, lines: ['3 records of dead_letters/movies sent again'] })
  expect(await recordsOf('tmdb.movies')).toBe(before + 3n)
  expect(await send()).toEqual({ code: 0, lines: ['0 records of dead_letters/movies sent again'] })
  expect(await recordsOf('tmdb.movies')).toBe(before + 3n)
  expect(await recordsOf('tmdb.people')).toBe(1n)
})

test('a record that fails once more is a new dead letter, with the key and the bytes that it had', async () => {
  await data.run('bronze-movies')
  const { rows } = await printedJson(() => list(data.context({ arguments: ['movies'], json: true })))
  expect(rows).toHaveLength(6)
  const of = (key: string) =>
    rows.filter((row) => row.key === key).map(({ value, timestamp }) => ({ value, timestamp }))
  for (const key of ['1', '2', '3']) expect(of(key)[0]).toEqual(of(key)[1])
  const again = () => printedJson(() => replay(data.context({ arguments: ['movies'], json: true })))
  expect((await again()).rows).toEqual([{ table: 'dead_letters/movies', sent: 3, withoutTopic: 0 }])
  expect((await again()).rows).toEqual([{ table: 'dead_letters/movies', sent: 0, withoutTopic: 0 }])
})

test.each(['store-before-commit', 'store-after-commit'])(
  'killed at %s, sending goes on without a second copy',
  async (point) => {
    const topic = `killed.${point}`
    await data.send(topic, 'one', 'two', 'three')
    await data.run(bronzeOf(topic))
    const words = ['dead-letters', 'replay', topic, '--data', data.config.dataDir]
    const run = (fault: string) =>
      spawnSync(process.execPath, [join(import.meta.dirname, '../main.ts'), ...words], {
        env: { ...process.env, MILLRACE_FAULT: fault },
        encoding: 'utf8',
      })
    expect(run(`${point}:1:kill`).signal).toBe('SIGKILL')
    expect(run('')).toMatchObject({ status: 0, stderr: '' })
    expect(await recordsOf(topic)).toBe(6n)
    expect(run('').stdout).toBe(`0 records of dead_letters/${topic} sent again\n`)
    expect(await recordsOf(topic)).toBe(6n)
  },
)

test('records of several files are sent in the order in which they stood in their topic', async () => {
  for (const run of ['a', 'b', 'c']) {
    await data.send('ordered', ...Array.from({ length: 6 }, (_, i) => `${run}${i}`))
    await data.run(bronzeOf('ordered'))
  }
  await printed(() => replay(data.context({ arguments: ['ordered'] })))
  await data.run(bronzeOf('ordered'))
  const context = data.context({ arguments: ['ordered'], options: { limit: 100 }, json: true })
  const rows = (await printedJson(() => list(context))).rows.sort((x, y) => Number(x.offset) - Number(y.offset))
  expect(rows).toHaveLength(36)
  for (const partition of [0, 1]) {
    const values = rows.filter((row) => row.partition === partition).map(({ value }) => value)
    expect(values.slice(values.length / 2)).toEqual(values.slice(0, values.length / 2))
  }
})

function bronzeOf(topic: string): Pipeline {
  return definePipeline({
    name: topic.replaceAll('.', '-'),
    source: kafka({ topic }),
    steps: [parseCritical('parse', { id: int64('$.id') })],
    sink: delta({ table: `bronze/${topic}`, mode: 'append' }),
    deadLetters: delta({ table: `dead_letters/${topic}`, mode: 'append' }),
  })
}

test('a table of something else is not sent', async () => {
  await expect(replay(data.context({ arguments: ['bronze/movies'] }))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('bronze/movies holds no dead letters'),
  })
})
