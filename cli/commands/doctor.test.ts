import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { movieEvent, printed, printedJson, testData } from '../data-dir.testing.ts'
import { doctor } from './doctor.ts'

const data = testData()
afterAll(() => data.remove())
beforeAll(async () => {
  await data.send('tmdb.movies', movieEvent(1, 'Heat'), movieEvent(2, 'Ronin'))
  await data.run('bronze-movies', 'silver-movies')
})

test('a sound table is said to be one; a file that is missing is an error', async () => {
  const context = (options: object, json = false) =>
    data.context({ arguments: ['silver/movies'], options: { ...options }, json })
  const sound = await printed(() => doctor(context({ deep: true })))
  expect([sound.code, sound.lines]).toEqual([0, ['silver/movies: nothing is wrong']])
  const folder = join(data.config.dataDir, 'lake', 'silver', 'movies')
  for (const name of readdirSync(folder)) if (name.endsWith('.parquet')) rmSync(join(folder, name))
  const broken = await printedJson(() => doctor(context({}, true)))
  expect(broken.code).toBe(1)
  expect(broken.rows).toMatchObject([
    { table: 'silver/movies', severity: 'error', what: expect.stringContaining('file is missing') },
  ])
  await expect(doctor(data.context({ arguments: ['silver/none'] }))).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
})
