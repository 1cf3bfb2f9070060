import { afterAll, beforeAll, expect, test } from 'vitest'
import { movieEvent, printed, printedJson, testData } from '../data-dir.testing.ts'
import { readyQueries } from '../ready-queries.ts'
import { olap } from './olap.ts'

const data = testData()
afterAll(() => data.remove())

/** One link of each kind, so that every table is there. */
const drama = { id: 1, name: 'Drama' }
const linked = {
  genres: [drama],
  keywords: { keywords: [drama] },
  belongs_to_collection: drama,
  credits: { cast: [{ name: 'Ann', id: 4 }], crew: [{ name: 'Ann', id: 4, job: 'Editor' }] },
}
beforeAll(async () => {
  await data.send(
    'tmdb.movies',
    movieEvent(1, 'Old', { release_date: '1896-01-06', runtime: 1, vote_count: 70, vote_average: 7.5, ...linked }),
    movieEvent(2, 'New', { release_date: '2001-01-06', runtime: 95, vote_count: 7, vote_average: 9.5 }),
  )
  await data.send(
    'tmdb.tv_series',
    movieEvent(3, '', { title: undefined, name: 'Serial', networks: [drama] }).replace('"movie"', '"tv_series"'),
  )
  await data.send(
    'tmdb.people',
    movieEvent(4, '', { title: undefined, name: 'Ann', gender: 1 }).replace('"movie"', '"person"'),
  )
  const kinds = ['movies', 'tv_series', 'people']
  await data.run(...['bronze', 'silver', 'olap'].flatMap((layer) => kinds.map((kind) => `${layer}-${kind}`)))
})

const run = (asked: string[], more: object = {}) => olap(data.context({ arguments: asked, ...more }))

test('without a query the ready ones are listed, with what they answer and their parameters', async () => {
  const { code, lines } = await printed(() => run([]))
  expect(code).toBe(0)
  expect(lines.join('\n')).toMatch(/^best-rated\n {4}The best rated movies .*\n {4}--param min_votes=50 {2}fewer votes/)
  const { rows } = await printedJson(() => run([], { json: true }))
  expect(rows.length).toBe(readyQueries().length)
  expect(rows[0]).toMatchObject({
    name: 'best-rated',
    parameters: [{ name: 'min_votes', fallback: '50' }, { name: 'limit' }],
  })
})

test('every ready query says what it answers, and describes each of its parameters with a value that does', async () => {
  for (const { name, answers, parameters, sql } of readyQueries()) {
    expect(answers, name).toMatch(/^[A-Z].*\.$/)
    const used = [...sql.matchAll(/\{(\w+):\w+\}/g)].map((match) => match[1]!)
    expect(
      parameters.map((each) => each.name),
      name,
    ).toEqual([...new Set(used)])
    await printed(() => run([name]))
  }
})

test('a ready query prints its rows, for the values that are given', async () => {
  const best = await printedJson(() => run(['best-rated'], { json: true }))
  expect(best).toEqual({
    code: 0,
    rows: [{ title_type: 'movie', id: 1, title: 'Old', released: 1896, vote_average: 7.5, vote_count: 70 }],
  })
  const more = await printed(() => run(['best-rated'], { options: { param: ['min_votes=5', 'limit=1'] } }))
  expect(more.lines.join('\n')).toMatch(/title_type {2}id {2}title.*\n.*\nmovie +2 {2}New/)
  expect(await printed(() => run(['co-stars']))).toEqual({ code: 0, lines: ['no rows'] })
})

test("SQL of one's own is answered, values given apart from it", async () => {
  const sql = 'SELECT id, title FROM movies WHERE title = {title:String} AND runtime > {longer:Int64}'
  const { rows } = await printedJson(() => run([sql], { json: true, options: { param: ['title=New', 'longer=90'] } }))
  expect(rows).toEqual([{ id: 2, title: 'New' }])
  const shown = await printed(() => run(['runtimes'], { options: { show: true } }))
  expect(shown.lines.join('\n')).toContain('FROM movies\nWHERE runtime > 0')
})

test.each<[asked: string, options: object, problem: RegExp]>([
  ['best-ratd', {}, /there is no ready query best-ratd \(there are best-rated, born-before, /],
  ['best-rated', { param: ['min_votes'] }, /--param: must be <name>=<value>, not "min_votes"/],
  [
    'best-rated',
    { param: ['votes=3'] },
    /--param votes: the query has no such parameter \(it takes min_votes, limit\)/,
  ],
  ['best-rated', { param: ['limit=many'] }, /--param limit: must be a whole number from 0 to 4294967295, not "many"/],
  ['best-rated', { param: ['limit=0'] }, /--param limit: must be at least 1, not "0"/],
  ['runtimes', { param: ['minutes=0', 'x=1'] }, /--param x: the query has no .*--param minutes: must be at least 1/s],
  ['SELECT {a:UInt8} AS a', {}, /--param a: is needed/],
  ['SELECT 1 AS one', { show: true }, /--show takes the name of a ready query/],
])('%s %o is refused with what to do', async (asked, options, problem) => {
  await expect(run([asked], { options })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(problem),
  })
})

test('a query that is wrong is answered with what is wrong, one that would write is refused', async () => {
  await expect(run(['SELECT nothing FROM movies'])).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringContaining('nothing'),
  })
  await expect(run(['SELECT 1 FROM films'])).rejects.toMatchObject({
    code: 'TABLE_NOT_FOUND',
    message: 'the olap store has no table films (correct the name, or run the pipeline that fills it first)',
  })
  await expect(run(['DELETE FROM movies'])).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringContaining('only queries are allowed'),
  })
})

test('before the first commit there is nothing to ask', async () => {
  const empty = testData()
  await empty.send('tmdb.movies', movieEvent(1, 'Old', {}))
  await expect(olap(empty.context({ arguments: ['runtimes'] }))).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
  empty.remove()
})
