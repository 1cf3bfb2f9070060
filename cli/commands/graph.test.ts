import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadNative } from '../../connectors/ladybug/native.ts'
import { movieEvent, printed, printedJson, testData } from '../data-dir.testing.ts'
import { connected, credits, pairs, path, query, withPerson } from './graph.ts'

const available = await loadNative().then(
  () => true,
  () => false,
)
const data = testData()
afterAll(() => data.remove())

function credit(id: number, name: string, creditId: string) {
  return { id, name, credit_id: creditId, character: 'somebody', job: 'Director', department: 'Directing' }
}

describe.skipIf(!available)('the graph (skipped where its engine has no build for the machine)', () => {
  beforeAll(async () => {
    const [ann, bob, carl, dora] = ['Ann', 'Bob', 'Carl', 'Dora'] as const
    await data.send(
      'tmdb.movies',
      movieEvent(1, 'First', { credits: { cast: [credit(1, ann, 'a'), credit(2, bob, 'b')], crew: [] } }),
      movieEvent(2, 'Second', { credits: { cast: [credit(2, bob, 'c')], crew: [credit(3, carl, 'd')] } }),
      movieEvent(3, 'Third', {
        genres: [{ id: 9, name: 'Drama' }],
        credits: { cast: [credit(4, dora, 'e')], crew: [] },
      }),
    )
    await data.run('bronze-movies', 'silver-movies', 'graph-movies')
  })

  test('a query prints its rows', async () => {
    const cypher =
      'MATCH (p:Person)-[:ACTED_IN]->(m:Movie) RETURN p.id AS id, p.name AS name, m.title AS title ORDER BY id, title'
    const { code, rows } = await printedJson(() => query(data.context({ arguments: [cypher], json: true })))
    expect(code).toBe(0)
    expect(rows).toEqual([
      { id: 1, name: 'Ann', title: 'First' },
      { id: 2, name: 'Bob', title: 'First' },
      { id: 2, name: 'Bob', title: 'Second' },
      { id: 4, name: 'Dora', title: 'Third' },
    ])
    const none = await printed(() => query(data.context({ arguments: ['MATCH (p:Person {id: 99}) RETURN p.name'] })))
    expect(none).toEqual({ code: 0, lines: ['no rows'] })
  })

  test('a query that would write is refused, one that is wrong is answered with what is wrong', async () => {
    for (const cypher of ['CREATE (:Person {id: 99})', 'MATCH (p:Person) DETACH DELETE p', 'MATCH (p:Person RETURN p'])
      await expect(query(data.context({ arguments: [cypher] }))).rejects.toMatchObject({ name: 'MillraceError' })
    const { rows } = await printedJson(() =>
      query(data.context({ arguments: ['MATCH (p:Person) RETURN count(*) AS n'], json: true })),
    )
    expect(rows).toEqual([{ n: 4 }])
  })

  test('two people are joined over the titles that they share, whatever the case of their names', async () => {
    const found = await printed(() => path(data.context({ arguments: ['ann', 'CARL'] })))
    const way = 'Ann - (acted in) - First - (acted in) - Bob - (acted in) - Second - (worked on) - Carl'
    expect(found).toEqual({ code: 0, lines: [way] })
    const { rows } = await printedJson(() => path(data.context({ arguments: ['1', '2'], json: true })))
    expect(rows.map(({ label, name, via }) => [label, name, via])).toEqual([
      ['Person', 'Ann', null],
      ['Movie', 'First', 'ACTED_IN'],
      ['Person', 'Bob', 'ACTED_IN'],
    ])
  })

  test('co-stars, pairs, credits and hubs are counted by title, however many roles somebody has in one', async () => {
    const asked = async (question: typeof query, ...words: string[]) =>
      (await printedJson(() => question(data.context({ arguments: words, json: true })))).rows
    expect(await asked(withPerson, 'bob')).toEqual([{ id: 1, name: 'Ann', titles: 1 }])
    expect(await asked(pairs)).toEqual([{ directorId: 3, director: 'Carl', actorId: 2, actor: 'Bob', titles: 1 }])
    expect(await asked(pairs, 'Ann')).toEqual([])
    expect(await asked(credits, '2')).toEqual([
      { year: null, type: 'Movie', id: 1, title: 'First', role: 'somebody' },
      { year: null, type: 'Movie', id: 2, title: 'Second', role: 'somebody' },
    ])
    expect(await asked(connected)).toEqual([
      { id: 1, name: 'Ann', people: 1, titles: 1 },
      { id: 2, name: 'Bob', people: 1, titles: 1 },
    ])
    await expect(asked(withPerson, 'Zoe')).rejects.toMatchObject({ message: expect.stringContaining('no Person is') })
  })

  test('people whom nothing joins, and people who are not there, are two things', async () => {
    const { code, lines } = await printed(() => path(data.context({ arguments: ['Ann', 'Dora'] })))
    expect({ code, lines }).toEqual({ code: 1, lines: ['nothing joins Ann and Dora (within 15 relationships)'] })
    await expect(path(data.context({ arguments: ['Ann', 'Zoe'] }))).rejects.toMatchObject({
      message: expect.stringContaining('no Person is named Zoe'),
    })
  })
})
