import { afterAll, expect, test } from 'vitest'
import { delta, kafka } from '../connectors/index.ts'
import { definePipeline } from '../engine/index.ts'
import { availableNow } from '../engine/trigger.ts'
import { col, int64, parseCritical, select } from '../operators/index.ts'
import { movieEvent, testData } from './data-dir.testing.ts'
import { openWorkspace } from './workspace.ts'

const data = testData()
afterAll(() => data.remove())

const recent = definePipeline({
  name: 'recent',
  source: kafka({ topic: 'tmdb.movies', startFrom: 'latest' }),
  trigger: availableNow(),
  steps: [parseCritical('parse', { id: int64('$.id') }), select('ids', { id: col('id'), at: col('offset') })],
  sink: delta({ table: 'recent', mode: 'merge', key: ['id'], newer: ['at'] }),
  sinks: [delta({ table: 'raw', mode: 'append', from: 'parse' })],
  deadLetters: delta({ table: 'dead', mode: 'append' }),
})

test('a scheduled pipeline that starts at the end reads what came since its first run, however little there was', async () => {
  await data.send('tmdb.movies', movieEvent(1, 'Heat'), movieEvent(2, 'Alien'))
  await data.run(recent)
  await data.send('tmdb.movies', movieEvent(3, 'Solaris'))
  await data.run(recent)
  const workspace = await openWorkspace(data.config)
  try {
    for (const table of ['recent', 'raw', 'dead']) {
      const snapshot = (await workspace.table(table).snapshot())!
      expect(snapshot.version).toBe(1n)
      const rows = [...(await snapshot.files()).values()].map(({ stats }) => JSON.parse(stats!).numRecords)
      expect(rows).toEqual(table === 'dead' ? [] : [1])
    }
  } finally {
    await workspace.close()
  }
}, 60_000)
