/** From records to silver, over real tables: what comes late, twice, or between crashes. */
import { expect, test } from 'vitest'
import { crash, endOfInput, record, type ScriptItem, testPipeline } from '../../testing/index.ts'
import { bronze } from './bronze.ts'
import { silver } from './silver.ts'

const pipelines = [bronze('movies'), silver('movies')]

/** A version of a movie, so many days after the first. */
function version(id: number, day: number, title: string | null): ScriptItem {
  const timestampMs = Date.UTC(2026, 0, 1 + day)
  const timestamp = new Date(timestampMs).toISOString()
  const value = title === null ? null : { id, type: 'movie', label: 'new', timestamp, doc: { id, title } }
  return record({ value, key: String(id), timestampMs })
}

test('a late older version changes nothing, and a deletion stays', async () => {
  await using movies = await testPipeline(pipelines, {
    'tmdb.movies': [
      version(1, 5, 'Newest'),
      version(2, 0, 'Deleted'),
      endOfInput(),
      version(1, 4, 'Late'),
      version(2, 1, null),
      version(2, 0.5, 'Late'),
    ],
  })
  await movies.run()
  expect(await movies.rows('silver/movies')).toMatchObject([{ title: 'Newest' }, { title: 'Deleted', deleted: false }])
  await movies.run()
  expect(await movies.rows('silver/movies')).toMatchObject([{ title: 'Newest' }, { title: null, deleted: true }])
})

test.each(['before-log-commit', 'between-sinks', 'sinks-committed'] as const)(
  'crashes at %s leave silver, bronze and dead letters as without',
  async (at) => {
    const script = (...between: ScriptItem[]) => ({
      'tmdb.movies': [version(1, 0, 'A'), { id: 3 }, ...between, version(1, 1, 'B'), version(2, 0, 'C'), ...between],
    })
    await using crashed = await testPipeline(pipelines, script(crash(at)))
    await using whole = await testPipeline(pipelines, script())
    for (const each of [crashed, whole]) await each.run()
    for (const table of ['bronze/movies', 'silver/movies'])
      expect(await crashed.rows(table)).toEqual(await whole.rows(table))
    expect(await crashed.deadLetters()).toEqual(await whole.deadLetters())
    expect(await whole.deadLetters()).toHaveLength(1)
  },
)
