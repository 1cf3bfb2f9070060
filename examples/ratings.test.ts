import { expect, test } from 'vitest'
import { crash, testPipeline } from '../testing/index.ts'
import ratings from './ratings.ts'

test('a record without an id is a dead letter, and a crash changes nothing', async () => {
  const rating = (id: number) => ({ id, timestamp: '2026-01-01T00:00:00Z' })
  await using pipeline = await testPipeline(ratings, {
    'tmdb.movies': [rating(1), { stars: 5 }, crash(), rating(2)],
  })
  await pipeline.run()
  expect(await pipeline.rows('bronze/ratings')).toMatchObject([{ id: 1 }, { id: 2 }])
  expect(await pipeline.deadLetters()).toMatchObject([{ step: 'parse', code: 'MISSING_FIELD', value: '{"stars":5}' }])
})
