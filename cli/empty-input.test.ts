import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listTables } from '../connectors/delta/list-tables.ts'
import { delta, kafka } from '../connectors/index.ts'
import { systemClock, systemIds } from '../engine/clock.ts'
import { definePipeline } from '../engine/define.ts'
import { int64, mapBatches, parseCritical } from '../operators/index.ts'
import { kinds } from '../pipelines/entertainment/kinds.ts'
import { endOfInput, testPipeline } from '../testing/index.ts'
import { connected, pairs, query } from './commands/graph.ts'
import { olap } from './commands/olap.ts'
import { printed, printedJson, type TestData, testData } from './data-dir.testing.ts'
import { platformPipelines } from './pipelines.ts'
import { reading } from './reading.ts'
import { readyQueries } from './ready-queries.ts'
import { search } from './retrieval.ts'
import { openTopicProducer } from './topic-producer.ts'

let data: TestData
const runAll = async () => data.run(...(await platformPipelines()).map(({ name }) => name))

async function createTopics(...topics: readonly string[]): Promise<void> {
  const logDir = join(data.config.dataDir, 'log')
  const producer = await openTopicProducer({ logDir, clock: systemClock, ids: systemIds })
  await producer.createTopics(topics, 2)
  await producer.close()
}

beforeAll(async () => {
  data = testData()
  await createTopics(...kinds.map((kind) => `tmdb.${kind}`))
  await runAll()
})
afterAll(() => data.remove())

test('every ready question to the stores has an empty answer, and every search finds nothing', async () => {
  const ask = (name: string) => printed(() => olap(data.context({ arguments: [name] })))
  for (const { name } of readyQueries())
    expect([name, await ask(name)]).toEqual([name, { code: 0, lines: ['no rows'] }])
  for (const kind of kinds) {
    const found = await reading(data.config, (place) => search(place, { text: 'x', type: kind }))
    expect([kind, found]).toEqual([kind, []])
  }
  const cypher = ['MATCH (p:Person)-[:ACTED_IN]->(m:Movie) RETURN p.name, m.title']
  const rows = (command: typeof query, parts = {}) => printedJson(() => command(data.context({ json: true, ...parts })))
  for (const found of [rows(query, { arguments: cypher }), rows(pairs), rows(connected)])
    expect(await found).toEqual({ code: 0, rows: [] })
})

test('each table and namespace of a pipeline is there, and a second run commits nothing', async () => {
  const versions = () =>
    reading(data.config, async (place) => {
      const tables = (await listTables(place.lake)).sort()
      return Promise.all(tables.map(async (name) => `${name} ${(await place.table(name).snapshot())?.version}`))
    })
  const before = await versions()
  const layers = ['bronze', 'dead_letters', 'silver'].flatMap((layer) => kinds.map((kind) => `${layer}/${kind}`))
  expect(before.map((each) => each.split(' ')[0])).toEqual(layers.sort())
  await runAll()
  expect(await versions()).toEqual(before)
})

test('records that come later are read from the first on', async () => {
  await data.send(
    'tmdb.people',
    '{"id":7,"type":"person","label":"new","timestamp":"2023-11-14T22:13:20Z","doc":{"id":7,"name":"Ann","birthday":"1900-01-01"}}',
  )
  await runAll()
  const { rows } = await printedJson(() => olap(data.context({ arguments: ['SELECT name FROM people'], json: true })))
  expect(rows).toEqual([{ name: 'Ann' }])
})

test('where only rows tell what columns a table has, it waits for them', async () => {
  const module = join(data.config.dataDir, 'same.mjs')
  writeFileSync(module, 'export default (table) => table\n')
  const pipeline = definePipeline({
    name: 'plain',
    source: kafka({ topic: 'plain' }),
    steps: [parseCritical('parse', { id: int64('$.id') }), mapBatches('same', new URL(`file://${module}`))],
    sink: delta({ table: 'plain', mode: 'append' }),
    deadLetters: delta({ table: 'dead_letters/plain', mode: 'append' }),
  })
  await using test = await testPipeline(pipeline, { plain: [endOfInput(), { id: 1 }] })
  await test.run()
  await expect(test.rows('plain')).rejects.toMatchObject({ code: 'TABLE_NOT_FOUND' })
  await test.run()
  expect(await test.rows('plain')).toMatchObject([{ id: 1, value: '{"id":1}' }])
})
