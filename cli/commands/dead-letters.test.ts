import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fileLogReader } from '../../connectors/file-log/reader.ts'
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

/** Headers of the records of a key, in the order of their offsets. */
async function headersOf(topic: string, key: string): Promise<(readonly [string, string])[][]> {
  const dir = join(data.config.dataDir, 'log')
  const latest = await fileLogSource({ dir, choice: { topic }, clock: systemClock }).latest()
  const found: (readonly [string, string])[][] = []
  for (const [sourcePartition, end] of latest) {
    const reader = fileLogReader({ dir, onDataLoss: 'fail', identity: new Map() })
    const options = { maxBytes: 2 ** 30, signal: new AbortController().signal }
    for await (const { table } of reader.read({ sourcePartition, start: 0n, end }, options))
      for (let row = 0; row < table.numRows; row += 1)
        if (text(table.getChild('key')!.get(row)) === key)
          found.push(
            [...table.getChild('headers')!.get(row)].map((header) => [header.key, text(header.value)] as const),
          )
  }
  return found
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
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
  const sent = ['{"id":3}', { base64: damaged.toString('base64') }, `broken ${'x'.repeat(100)}`]
  for (const [i, value] of sent.entries()) {
    const [now, then] = rows.filter((row) => JSON.stringify(row.value) === JSON.stringify(value))
    expect(now!.key).toEqual(then!.key)
    // what is sent again is a new record: one as old as the first might be dropped before it is read
    expect(Date.parse(String(then!.timestamp))).toBe(1_700_000_000_001 + i)
    expect(Date.parse(String(now!.timestamp))).toBeGreaterThan(Date.now() - 600_000)
  }
  const first = ['millrace-first-timestamp', '2023-11-14T22:13:20.002000Z']
  expect(await headersOf('tmdb.movies', '2')).toEqual([[], [first]])
  const again = () => printedJson(() => replay(data.context({ arguments: ['movies'], json: true })))
  expect((await again()).rows).toEqual([{ table: 'dead_letters/movies', sent: 3, withoutTopic: 0 }])
  expect((await again()).rows).toEqual([{ table: 'dead_letters/movies', sent: 0, withoutTopic: 0 }])
})

test('what is sent for the second time keeps the time at which it first was', async () => {
  const topic = 'twice'
  await data.send(topic, 'one')
  for (let i = 0; i < 2; i += 1) {
    await data.run(bronzeOf(topic))
    await printed(() => replay(data.context({ arguments: [topic] })))
  }
  const first = ['millrace-first-timestamp', '2023-11-14T22:13:20.000000Z']
  expect(await headersOf(topic, '0')).toEqual([[], [first], [first]])
})

test('a lake that was made anew, or another one, sends what it holds', async () => {
  const topic = 'anew'
  await data.send(topic, 'one', 'two')
  const sent = async () => {
    await data.run(bronzeOf(topic))
    return (await printed(() => replay(data.context({ arguments: [topic] })))).lines
  }
  expect(await sent()).toEqual([`2 records of dead_letters/${topic} sent again`])
  for (const table of [`bronze/${topic}`, `dead_letters/${topic}`])
    rmSync(join(data.config.dataDir, 'lake', table), { recursive: true })
  expect(await sent()).toEqual([`4 records of dead_letters/${topic} sent again`])
  expect(await sent()).toEqual([`4 records of dead_letters/${topic} sent again`])
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
