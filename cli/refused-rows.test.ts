import { afterEach, beforeEach, expect, test } from 'vitest'
import { delta } from '../connectors/index.ts'
import { memorySink } from '../connectors/memory/sink.ts'
import type { SinkDescription } from '../engine/contracts.ts'
import { definePipeline } from '../engine/define.ts'
import type { PipelineEvent } from '../engine/events.ts'
import { armFault } from '../engine/fault-points.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import { runAll, throwFirst } from '../engine/run-all.ts'
import { availableNow } from '../engine/trigger.ts'
import { col, select } from '../operators/index.ts'
import { movieEvent, printedJson, type TestData, testData } from './data-dir.testing.ts'
import { openWorkspace } from './workspace.ts'

let data: TestData
beforeEach(async () => {
  data = testData()
  await data.send('tmdb.movies', movieEvent(1, 'Heat'), movieEvent(2, 'Ronin'), movieEvent(3, 'Sicario'))
  await data.run('bronze-movies', 'silver-movies')
})
afterEach(() => {
  armFault(null)
  data.remove()
})

const picky: SinkDescription = { kind: 'picky', writes: 'store:picky', inputs: { rows: undefined }, options: {} }

function pipeline(deadLetters: boolean): Pipeline {
  return definePipeline({
    name: 'into-a-picky-store',
    source: delta({ table: 'silver/movies' }),
    steps: [select('titles', { id: col('id'), title: col('title') })],
    sink: picky,
    ...(deadLetters ? { deadLetters: delta({ table: 'dead_letters/picky', mode: 'append' }) } : {}),
    trigger: availableNow(),
  })
}

/** Runs into a store that takes no Ronin; the titles that it holds afterwards. */
async function run(
  definition: Pipeline,
  faults: readonly Parameters<typeof armFault>[0][] = [],
  onEvent: (event: PipelineEvent) => void = () => {},
): Promise<string[]> {
  const workspace = await openWorkspace(data.config)
  try {
    const duckdb = await workspace.duckdb()
    const refuses = (row: { readonly title?: unknown }) => (row.title === 'Ronin' ? 'no such films here' : null)
    const { sink, rows } = memorySink({ duckdb, name: 'store picky', refuses })
    const openSink: typeof workspace.runtime.openSink = async (description) =>
      description.kind === 'picky' ? sink : workspace.runtime.openSink(description)
    const signal = new AbortController().signal
    const runtime = { ...workspace.runtime, openSink }
    for (const fault of [...faults, null]) {
      armFault(fault)
      const failed = await runAll([definition], runtime, { stop: signal, abandon: signal }, (events) => {
        events.subscribe({ next: onEvent, error: () => {} }) // the run's own promise tells it
      })
      if (fault === null) throwFirst(failed)
    }
    return rows()
      .map((row) => String(row.title))
      .sort()
  } finally {
    await workspace.close()
  }
}

async function deadLetters() {
  const { list } = await import('./commands/dead-letters.ts')
  const { rows } = await printedJson(() => list(data.context({ arguments: ['picky'], json: true })))
  return rows
}

test('a row that a store refuses for its content goes to the dead letters with its message, all others are written', async () => {
  expect(await run(pipeline(true))).toEqual(['Heat', 'Sicario'])
  expect(await deadLetters()).toMatchObject([
    { step: 'store picky', code: 'STORE_REFUSED', message: 'no such films here', value: '{"id":"2","title":"Ronin"}' },
  ])
})

test('whatever the moment at which the run dies, a refused row is in the dead letters once', async () => {
  const crash = (point: 'sinks-prepared' | 'between-sinks' | 'sinks-committed') =>
    ({ point, passage: 1, action: 'crash' }) as const
  const titles = await run(pipeline(true), [crash('sinks-prepared'), crash('between-sinks'), crash('sinks-committed')])
  expect(titles).toEqual(['Heat', 'Sicario'])
  expect(await deadLetters()).toHaveLength(1)
})

test('a store that comes new to a pipeline does not take a row in silence', async () => {
  await run(pipeline(true))
  const told: PipelineEvent[] = []
  expect(await run(pipeline(true), [], (event) => told.push(event))).toEqual(['Heat', 'Sicario'])
  expect(await deadLetters()).toHaveLength(1)
  expect(told.filter(({ type }) => type === 'refused')).toMatchObject([
    { sink: 'store picky', rows: 1, message: 'no such films here', setAside: false },
  ])
})

test('without dead letters the pipeline stops, says why, and writes nothing', async () => {
  await expect(run(pipeline(false))).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringMatching(
      /store picky refuses a row: no such films here: \{"id":"2","title":"Ronin"\} \(give/,
    ),
  })
})
