import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { millrace } from '../../checks/command.ts'
import { printed, printedJson, type TestData, testData } from '../data-dir.testing.ts'
import { repair } from './log-repair.ts'

let data: TestData
let file: string
beforeAll(async () => {
  data = testData()
  for (const round of ['a', 'b', 'c']) await data.send('t', `{"id":1,"name":"${round}"}`)
  const damaged = ['0', '1'].map((partition) =>
    join(data.config.dataDir, 'log', 't', partition, `${'0'.repeat(20)}.log`),
  )
  file = damaged.find((path) => existsSync(path))!
})
afterAll(() => data.remove())

const text = (giveUp: boolean) =>
  printed(() => repair(data.context({ arguments: ['t'], options: giveUp ? { 'give-up': true } : {} })))

test('a log without damage says so', async () => {
  expect(await text(false)).toEqual({ code: 0, lines: ['nothing is damaged'] })
  const other = printed(() => repair(data.context({ arguments: ['none'] })))
  await expect(other).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' })
})

test('damage is shown with its offsets, given up when that is said, and then gone', async () => {
  const bytes = readFileSync(file)
  bytes[bytes.length / 3 + 100]! ^= 1
  writeFileSync(file, bytes)
  const place = `${bytes.length / 3} damaged bytes at byte ${bytes.length / 3} of ${file}`
  const shown = await text(false)
  expect(shown).toEqual({
    code: 1,
    lines: [expect.stringMatching(/^topic t partition \d: offsets \[1, 2\) cannot be read: /)],
  })
  expect(shown.lines[0]).toContain(place)
  expect(readFileSync(file).equals(bytes)).toBe(true)
  const { rows } = await printedJson(() => repair(data.context({ json: true })))
  expect(rows).toMatchObject([{ topic: 't', start: 1, end: 2, exact: true, file, givenUp: false }])
  expect(await text(true)).toMatchObject({ code: 0, lines: [expect.stringContaining('offsets [1, 2) given up: ')] })
  expect(await text(false)).toEqual({ code: 0, lines: ['nothing is damaged'] })
})

test('a run tells of a write that was cut short, and goes on', async () => {
  const path = join(data.config.dataDir, 'log', 'tmdb.movies', '0', `${'0'.repeat(20)}.log`)
  const records = Array.from({ length: 8 }, (_, id) => `{"id":${id}}`)
  await data.send('tmdb.movies', ...records)
  writeFileSync(path, readFileSync(path).subarray(0, -8))
  const ended = await millrace(['run', 'bronze-movies', '--available-now', '--data', data.config.dataDir])
  expect(ended.status).toBe(0)
  const told = ended.errors.split('\n').filter((line) => line.includes('log-torn'))
  expect(told).toHaveLength(1)
  expect(JSON.parse(told[0]!)).toMatchObject({
    level: 'warn',
    topic: 'tmdb.movies',
    partition: 0,
    offset: '0',
    file: path,
  })
})
