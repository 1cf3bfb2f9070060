import { afterAll, beforeAll, expect, test } from 'vitest'
import { movieEvent, printed, printedJson, testData } from '../data-dir.testing.ts'
import { deleteFrom, updateIn } from './table-rows.ts'
import { history, show } from './tables.ts'
import { vacuum } from './vacuum.ts'

const data = testData()
afterAll(() => data.remove())
beforeAll(async () => {
  await data.send('tmdb.movies', movieEvent(1, 'Heat'), movieEvent(2, 'Ronin'), movieEvent(3, 'Far'))
  await data.run('bronze-movies', 'silver-movies')
})

const silver = ['silver/movies'] as const
const context = (options: object = {}) => data.context({ arguments: silver, options: { ...options }, json: true })

async function titles(version?: number): Promise<unknown[]> {
  const { rows } = await printedJson(() => show(context(version === undefined ? {} : { version })))
  return rows.map(({ title }) => title).sort()
}

test('rows are deleted and updated, what would change is told before, and pipelines go on', async () => {
  const dry = await printedJson(() => deleteFrom(context({ where: 'id = 1', 'dry-run': true })))
  expect(dry.rows).toEqual([
    { table: 'silver/movies', dryRun: true, version: 0, rows: 1, filesRemoved: 0, filesRewritten: 1, filesMarked: 0 },
  ])
  expect(await titles()).toEqual(['Far', 'Heat', 'Ronin'])
  const deleted = await printedJson(() => deleteFrom(context({ where: 'id = 1' })))
  expect(deleted.rows).toMatchObject([{ dryRun: false, version: 1, rows: 1, filesRewritten: 1 }])
  const set = ["title = '[erased]'", '`popularity`= NULL']
  expect((await printedJson(() => updateIn(context({ where: 'id = 2', set })))).rows).toMatchObject([{ rows: 1 }])
  expect(await titles()).toEqual(['Far', '[erased]'])
  const { rows } = await printedJson(() => history(context()))
  expect(rows.map(({ operation }) => operation)).toEqual(['UPDATE', 'DELETE', 'MERGE'])
  await data.send('tmdb.movies', movieEvent(4, 'Late'))
  await data.run('bronze-movies', 'silver-movies')
  expect(await titles()).toEqual(['Far', 'Late', '[erased]'])
})

test('older versions have what was erased until the table is vacuumed', async () => {
  expect(await titles(0)).toEqual(['Far', 'Heat', 'Ronin'])
  await printed(() => vacuum(context({ 'retention-hours': 0, force: true, delete: true })))
  await expect(titles(0)).rejects.toMatchObject({ code: 'TABLE_CORRUPT' })
  expect(await titles()).toEqual(['Far', 'Late', '[erased]'])
})

test('a command that says too little, or what cannot be, is refused with all that is wrong', async () => {
  expect(() => deleteFrom(context())).toThrow('--where: is needed')
  expect(() => updateIn(context({ set: ['title', 'title = NULL', "title = 'x'"] }))).toThrowError(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      problems: [
        '--where: is needed (--where true for every row)',
        '--set: must be "<column> = <value>", not "title"',
        '--set: title stands twice (give it once)',
      ],
    }),
  )
  await expect(deleteFrom(context({ where: 'colour = 1' }))).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  await expect(deleteFrom(context({ where: "titel = 'x'" }))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/where: titel = 'x': there is no column titel \(the columns are title, /),
  })
  await expect(updateIn(context({ where: 'true', set: ['titel = NULL'] }))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/there is no such column \(the columns are title, /),
  })
  const nowhere = data.context({ arguments: ['silver/movie'], options: { where: 'true' } })
  await expect(deleteFrom(nowhere)).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
})
