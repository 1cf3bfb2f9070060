import { afterAll, beforeAll, expect, test } from 'vitest'
import { movieEvent, printedJson, testData } from '../data-dir.testing.ts'
import { optimize } from './optimize.ts'
import { history, show } from './tables.ts'

const data = testData()
afterAll(() => data.remove())
beforeAll(async () => {
  for (const [id, title] of ['Heat', 'Ronin', 'Far'].entries()) {
    await data.send('tmdb.movies', movieEvent(id + 1, title))
    await data.run('bronze-movies')
  }
})

const table = ['bronze/movies'] as const

test('the files of a table are written together, the rows stay, and its pipelines go on', async () => {
  const context = data.context({ arguments: table, json: true })
  expect((await printedJson(() => optimize(context))).rows).toEqual([
    expect.objectContaining({ table: 'bronze/movies', filesBefore: 3, filesAfter: 1, conflicts: 0 }),
  ])
  expect((await printedJson(() => history(context))).rows[0]).toMatchObject({ operation: 'OPTIMIZE' })
  await data.send('tmdb.movies', movieEvent(4, 'Late'))
  await data.run('bronze-movies', 'silver-movies')
  for (const each of [table, ['silver/movies']])
    expect((await printedJson(() => show(data.context({ arguments: each, json: true })))).rows).toHaveLength(4)
})

test('a column that is not there, or a table, is named', async () => {
  const sort = optimize(data.context({ arguments: table, options: { sort: 'id, colour' } }))
  await expect(sort).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('no column colour'),
  })
  await expect(optimize(data.context({ arguments: ['bronze/movie'] }))).rejects.toMatchObject({
    code: 'TABLE_NOT_FOUND',
  })
})
