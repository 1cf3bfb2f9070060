import { existsSync, readdirSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { movieEvent, printed, printedJson, testData } from '../data-dir.testing.ts'
import { history, show } from './tables.ts'

const data = testData()
afterAll(() => data.remove())

beforeAll(async () => {
  await data.send('tmdb.movies', movieEvent(2, 'Ronin', { release_date: '1898-09-25' }), movieEvent(1, 'Heat'))
  await data.run('bronze-movies', 'silver-movies')
  await data.send('tmdb.movies', movieEvent(2n ** 53n + 1n, 'Far', { genres: [{ id: 1, name: 'Crime' }] }))
  await data.run('bronze-movies', 'silver-movies')
})

const table = ['silver/movies'] as const

test('rows come in the order of their first columns, exact and with microseconds', async () => {
  const { code, rows } = await printedJson(() =>
    show(
      data.context({ arguments: table, options: { columns: 'id,title,event_time,release_date,genres' }, json: true }),
    ),
  )
  expect(code).toBe(0)
  expect(rows).toEqual([
    { id: 1, title: 'Heat', event_time: '2023-11-14T22:13:21.000000Z', release_date: null, genres: null },
    { id: 2, title: 'Ronin', event_time: '2023-11-14T22:13:22.000000Z', release_date: '1898-09-25', genres: null },
    expect.objectContaining({ id: '9007199254740993', title: 'Far', genres: [{ id: 1, name: 'Crime' }] }),
  ])
})

test('columns come in the order asked for, rows as many as asked for', async () => {
  const { lines } = await printed(() =>
    show(data.context({ arguments: table, options: { columns: 'title, id', limit: 1 } })),
  )
  expect(lines).toHaveLength(3)
  expect(lines[0]).toMatch(/^title +id$/)
  expect(lines[2]).toMatch(/^Far +\d+$/)
})

test('a table is shown as it was at a version', async () => {
  const at = (version: number) =>
    printedJson(() => show(data.context({ arguments: table, options: { version, columns: 'title' }, json: true })))
  expect((await at(0)).rows.map(({ title }) => title)).toEqual(['Heat', 'Ronin'])
  expect((await at(1)).rows).toHaveLength(3)
  await expect(at(9)).rejects.toMatchObject({ message: expect.stringMatching(/no version 9: the newest is 1/) })
})

test('what does not exist is answered with what does', async () => {
  const unknown = show(data.context({ arguments: table, options: { columns: 'id,titel,colour' } }))
  await expect(unknown).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    problems: [/"titel".*id, .*title/, /"colour"/].map((line) => expect.stringMatching(line)),
  })
  await expect(show(data.context({ arguments: ['silver/movie'] }))).rejects.toMatchObject({
    code: 'TABLE_NOT_FOUND',
    message: 'table not found: silver/movie (there are: bronze/movies, dead_letters/movies, silver/movies)',
  })
})

test('history tells newest first who read and changed what', async () => {
  const { rows } = await printedJson(() => history(data.context({ arguments: table, json: true })))
  expect(rows.map(({ version, operation, pipeline }) => [version, operation, pipeline])).toEqual([
    [1, 'MERGE', 'silver-movies'],
    [0, 'MERGE', 'silver-movies'],
  ])
  expect(Object.values(rows[0]!.ranges as object)).toEqual([['1', '2']])
  const { lines } = await printed(() => history(data.context({ arguments: table, options: { limit: 1 } })))
  expect(lines).toHaveLength(3)
  expect(lines[2]).toMatch(/^ +1 +20\S+Z +MERGE +1 inserted +silver-movies +\[1, 2\)$/)
})

test('looking changes nothing in the data directory', async () => {
  const files = () => readdirSync(data.config.dataDir, { recursive: true, encoding: 'utf8' }).sort()
  const before = files()
  await printed(() => show(data.context({ arguments: table })))
  await printed(() => history(data.context({ arguments: table })))
  expect(files()).toEqual(before)
  const missing = { ...data.config, dataDir: `${data.config.dataDir}-missing` }
  await expect(show(data.context({ arguments: table, config: missing }))).rejects.toMatchObject({
    code: 'TABLE_NOT_FOUND',
  })
  expect(existsSync(missing.dataDir)).toBe(false)
})
