import { afterAll, beforeAll, expect, test } from 'vitest'
import { movieEvent, printed, printedJson, testData } from '../data-dir.testing.ts'
import { search } from './search.ts'

const data = testData()
afterAll(() => data.remove())

beforeAll(async () => {
  await data.send(
    'tmdb.movies',
    movieEvent(1, 'Heat', { overview: 'A detective hunts a thief in Los Angeles.', release_date: '1995-12-15' }),
    movieEvent(2, 'Contact', { overview: 'An astronomer hears a message from the stars.', release_date: '1997-07-11' }),
  )
  await data.run('bronze-movies', 'silver-movies', 'vectors-movies')
})

test('the text that is nearest in meaning comes first', async () => {
  const { code, lines } = await printed(() => search(data.context({ arguments: ['a message from the stars'] })))
  expect(code).toBe(0)
  expect(lines[0]).toMatch(/^score +type +id +title +year +text$/)
  expect(lines[2]).toMatch(/^0\.\d{3} +movies +2 +Contact +1997 +Contact/)
  expect(lines).toHaveLength(3) // the other text has no more in common with it than chance would have
})

test('scripts get everything that is stored with a vector', async () => {
  const options = { top: 1, type: 'movies' }
  const { rows } = await printedJson(() => search(data.context({ arguments: ['detective'], options, json: true })))
  expect(rows).toHaveLength(1)
  expect(rows[0]).toMatchObject({ type: 'movies', id: '1', title: 'Heat', year: 1995, score: expect.any(Number) })
})

test('what cannot be searched is named', async () => {
  const options = { type: 'music' }
  await expect(search(data.context({ arguments: ['x'], options }))).rejects.toMatchObject({
    code: 'TABLE_NOT_FOUND',
    message: expect.stringContaining('there are: movies'),
  })
  await expect(search(data.context({ arguments: ['?!'] }))).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

test('a kind that has no vectors yet has nothing to be found, and that is no mistake', async () => {
  const options = { type: 'people' }
  expect(await printed(() => search(data.context({ arguments: ['detective'], options })))).toEqual({
    code: 0,
    lines: ['nothing found'],
  })
})
