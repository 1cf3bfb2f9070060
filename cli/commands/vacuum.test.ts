import { afterAll, beforeAll, expect, test } from 'vitest'
import { movieEvent, printed, printedJson, testData } from '../data-dir.testing.ts'
import { restore } from './restore.ts'
import { history, show } from './tables.ts'
import { vacuum } from './vacuum.ts'

const data = testData()
afterAll(() => data.remove())
beforeAll(async () => {
  for (const title of ['Heat', 'Ronin']) {
    await data.send('tmdb.movies', movieEvent(1, title))
    await data.run('bronze-movies', 'silver-movies')
  }
})

const bronze = ['bronze/movies'] as const
const silver = ['silver/movies'] as const
const force = { 'retention-hours': 0, force: true }

async function titles(): Promise<unknown[]> {
  const { rows } = await printedJson(() => show(data.context({ arguments: silver, json: true })))
  return rows.map(({ title }) => title)
}

test('nothing is deleted unless it is asked for, and a table says what went', async () => {
  const context = (options: object) => data.context({ arguments: silver, options: { ...options }, json: true })
  const shown = await printedJson(() => vacuum(context(force)))
  expect(shown.rows[0]).toMatchObject({ table: 'silver/movies', deleted: false, files: 2 })
  expect(Object.keys(shown.rows[0]!)).not.toContain('doomed')
  expect((await printedJson(() => vacuum(context({})))).rows[0]).toMatchObject({ files: 0 })
  expect((await printedJson(() => vacuum(context({ ...force, delete: true })))).rows[0]).toMatchObject({
    deleted: true,
    files: 2,
  })
  const { rows } = await printedJson(() => history(context({})))
  expect(rows.map(({ operation }) => operation)).toEqual(['VACUUM END', 'VACUUM START', 'MERGE', 'MERGE'])
  expect(await titles()).toEqual(['Ronin'])
  await expect(vacuum(context({ 'retention-hours': 0.1 }))).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

test('pipelines go on after a vacuum, and those that are behind are named until they are forgotten', async () => {
  await data.send('tmdb.movies', movieEvent(2, 'Far'))
  await data.run('bronze-movies')
  const context = (options: object) => data.context({ arguments: bronze, options: { ...options } })
  expect((await printed(() => vacuum(context({})))).lines.join()).toContain('silver-movies (next: version 2)')
  await data.run('silver-movies')
  expect((await printed(() => vacuum(context({})))).lines.join()).not.toContain('silver-movies')
  await data.send('tmdb.movies', movieEvent(3, 'Late'))
  await data.run('bronze-movies')
  const forgotten = await printed(() => vacuum(context({ 'forget-reader': ['silver-movies'] })))
  expect(forgotten.lines.join()).not.toContain('silver-movies')
  await data.run('silver-movies')
  expect(await titles()).toEqual(['Ronin', 'Far', 'Late'])
})

test('a rewound table is read and written again from there', async () => {
  const context = (version: string) =>
    data.context({ arguments: [...bronze, version], options: { rewind: true }, json: true })
  const { rows } = await printedJson(() => restore(context('0')))
  expect(rows[0]).toMatchObject({ table: 'bronze/movies', filesRemoved: 3, rewound: 'bronze-movies' })
  await data.run('bronze-movies')
  const again = await printedJson(() => show(data.context({ arguments: bronze, json: true })))
  expect(again.rows).toHaveLength(4)
  await expect(restore(context('newest'))).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})
