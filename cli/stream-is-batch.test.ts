import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { every, once } from '../engine/trigger.ts'
import { entertainment } from '../pipelines/entertainment/index.ts'
import { type Dump, differences, dumpAll } from './dump.ts'
import {
  dumpOfWholeRun,
  makeDataDir,
  removeAll,
  runPlatform,
  sameLog,
  simulateInto,
  withWorkspace,
} from './platform.testing.ts'

const seed = Date.now() % 2 ** 31
let whole: string
let expected: Dump
let records: number

beforeAll(async () => {
  console.log(`seed ${seed}`)
  whole = await makeDataDir()
  records = await simulateInto(whole, { seed, titles: 24 })
  expected = await dumpOfWholeRun(whole)
})
afterAll(() => removeAll(whole))

test('the run to compare with has rows in every layer', () => {
  for (const name of [
    'table:silver/movies',
    'table:silver/tv_series',
    'table:silver/people',
    'table:dead_letters/people',
    'olap:casts',
    'olap:genres',
    'vectors:movies',
    'graph:Person-ACTED_IN-Movie',
  ])
    expect(expected.get(name)?.length ?? 0, name).toBeGreaterThan(0)
})

test('any cutting into batches, in any order of pipelines, gives the same tables, graph and vectors', async () => {
  const turn = fc.record({ pipeline: fc.nat(entertainment.length - 1), maxRecords: fc.integer({ min: 1, max: 60 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { minLength: 40, maxLength: 60 }), async (turns) => {
      const cut = await sameLog(whole)
      try {
        const dump = await withWorkspace(cut, async (workspace) => {
          for (const { pipeline, maxRecords } of turns)
            await runPlatform(workspace, {
              pipelines: [entertainment[pipeline]!],
              trigger: once(),
              maxRecords: () => maxRecords,
            })
          await runPlatform(workspace, { maxRecords: () => 70 })
          return dumpAll(workspace)
        })
        expect(differences(dump, expected)).toEqual([])
      } finally {
        await removeAll(cut)
      }
    }),
    { seed, numRuns: 2, endOnFailure: true },
  )
})

test('a stream of all pipelines side by side ends where one batch ends', async () => {
  const streamed = await sameLog(whole)
  try {
    const dump = await withWorkspace(streamed, async (workspace) => {
      const stop = new AbortController()
      let read = 0
      await runPlatform(workspace, {
        trigger: every({ seconds: 0.01 }),
        maxRecords: () => 30,
        stop: { stop: stop.signal },
        watch: {
          next(event) {
            if (event.type === 'committed' && event.pipeline.startsWith('bronze')) read += event.rowsIn
            if (read === records) stop.abort()
          },
        },
      })
      await runPlatform(workspace)
      return dumpAll(workspace)
    })
    expect(differences(dump, expected)).toEqual([])
  } finally {
    await removeAll(streamed)
  }
})
