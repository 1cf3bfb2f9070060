import { join } from 'node:path'
import { expect, test } from 'vitest'
import { queryPromises } from '../graph/query-promises.testing.ts'
import { openSink } from './films.testing.ts'
import { openGraph } from './query.ts'

const graph = queryPromises(async ({ dir, duckdb }) => {
  const options = { path: join(dir, 'graph.lbug'), duckdb, stagingDir: dir }
  return { sink: () => openSink('Movie', options), graph: () => openGraph(options) }
})

test('a number that would not be exact is refused by the name of its column, a label that is not there by its own', async () => {
  await expect(graph().query('MATCH (n:Movie) RETURN n.id AS id')).rejects.toMatchObject({
    message: expect.stringContaining('column id holds a number beyond 2^53'),
  })
  await expect(graph().query('MATCH (n:Nope) RETURN n')).rejects.toMatchObject({
    message: expect.stringContaining('Nope'),
  })
})

test('days and times are text, wherever they stand', async () => {
  const day = "date('1874-12-09')"
  const time = "timestamp('2020-01-01 00:00:00.123')"
  const rows = await graph().query(
    `RETURN ${day} AS day, ${time} AS time, [${day}] AS days, {a: ${time}, b: ${day}} AS pair`,
  )
  expect(rows).toEqual([
    {
      day: '1874-12-09',
      time: '2020-01-01T00:00:00.123000Z',
      days: ['1874-12-09'],
      pair: { a: '2020-01-01T00:00:00.123000Z', b: '1874-12-09' },
    },
  ])
})
