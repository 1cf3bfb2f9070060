import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { PipelineEvent } from '../engine/events.ts'
import { runAll, throwFirst } from '../engine/run-all.ts'
import { availableNow } from '../engine/trigger.ts'
import { type ModelServer, modelServer } from '../operators/model-server.testing.ts'
import { readConfig } from './config.ts'
import { movieEvent, type TestData, testData } from './data-dir.testing.ts'
import { platformPipelines } from './pipelines.ts'
import { reading } from './reading.ts'
import { search } from './retrieval.ts'
import { openVectors } from './stores.ts'
import { openWorkspace } from './workspace.ts'

let server: ModelServer
let data: TestData
beforeEach(async () => {
  server = await modelServer()
  data = testData()
})
afterEach(async () => {
  await server.close()
  data.remove()
})

/** Asked of the endpoint only to see what its vectors are like. */
const probe = 'dimension'
const embeddedTexts = () => server.embedded.filter((each) => each !== probe)

const environment = () => ({
  MILLRACE_EMBEDDER: 'openai',
  EMBEDDING_URL: server.url,
  EMBEDDING_MODEL_ID: 'minilm',
  EMBEDDING_API_KEY: 'sk-hunter2',
  MILLRACE_WORKERS: '0',
})
const config = (more: Readonly<Record<string, string>> = {}) =>
  readConfig({ env: { ...environment(), ...more }, dataDir: data.config.dataDir })

async function sendMovies(...titles: readonly string[]): Promise<void> {
  const events = titles.map((title, i) => movieEvent(i + 1, title, { overview: `About ${title}.` }))
  await data.send('tmdb.movies', ...events)
  await data.run('bronze-movies', 'silver-movies')
}

/** Runs the movies' vectors to the end of what is there. */
async function runVectors(more: Readonly<Record<string, string>> = {}): Promise<PipelineEvent[]> {
  const events: PipelineEvent[] = []
  const workspace = await openWorkspace(config(more))
  const { signal } = new AbortController()
  try {
    const pipeline = (await platformPipelines()).find(({ name }) => name === 'vectors-movies')!
    const pipelines = [{ ...pipeline, trigger: availableNow() }]
    const options = { stop: signal, abandon: signal }
    const failed = await runAll(pipelines, workspace.runtime, options, (told) => {
      told.subscribe({ next: (event) => events.push(event), error: () => {} })
    })
    throwFirst(failed)
  } finally {
    await workspace.close()
  }
  return events
}

const embeddedIn = (events: readonly PipelineEvent[]) =>
  events.flatMap((event) => (event.type === 'committed' && event.embedded !== undefined ? [event.embedded] : []))

/** Vectors are made again from the beginning: the store is new, what was kept is not. */
async function forgetStores(): Promise<void> {
  const { rm } = await import('node:fs/promises')
  await rm(join(data.config.dataDir, 'stores'), { recursive: true })
}

test.each(['0', '2'])(
  'an unchanged text is never embedded twice, whatever becomes of its vectors (%s threads)',
  async (workers) => {
    await sendMovies('Heat', 'Alien', 'Ran')
    const first = await runVectors({ MILLRACE_WORKERS: workers })
    expect(embeddedIn(first)).toEqual([{ computed: 3, cached: 0 }])
    const texts = embeddedTexts()
    expect(texts).toEqual(expect.arrayContaining([expect.stringMatching(/^Alien\nAbout Alien\.$/)]))

    await forgetStores()
    expect(embeddedIn(await runVectors({ MILLRACE_WORKERS: workers }))).toEqual([{ computed: 0, cached: 3 }])
    expect(embeddedTexts()).toEqual(texts)
    await reading(config(), async (place) => {
      expect(await (await openVectors(place)).counts()).toEqual(new Map([['movies', 3]]))
      const [nearest] = await search(place, { text: 'Alien\nAbout Alien.', top: 1 })
      expect(nearest).toMatchObject({ id: '2', score: expect.closeTo(1, 5) })
    })
  },
)

test('another model, another prefix and another dimension embed for themselves, and vectors of two are not mixed', async () => {
  await sendMovies('Heat')
  await runVectors()
  await expect(runVectors({ EMBEDDING_MODEL_ID: 'other' })).rejects.toMatchObject({ code: 'SINK_FAILED' })
  expect(embeddedTexts()).toHaveLength(1)
  await reading(config({ EMBEDDING_MODEL_ID: 'other' }), async (place) => {
    await expect(search(place, { text: 'x' })).rejects.toMatchObject({
      code: 'SINK_FAILED',
      message: expect.stringMatching(/movies holds vectors of openai:minilm:4 .*not of openai:other:4/),
    })
  })
  await forgetStores()
  expect(embeddedIn(await runVectors({ EMBEDDING_TEXT_PREFIX: 'passage: ' }))).toEqual([{ computed: 1, cached: 0 }])
  await forgetStores()
  expect(embeddedIn(await runVectors())).toEqual([{ computed: 0, cached: 1 }])
  await forgetStores()
  expect(embeddedIn(await runVectors({ EMBEDDING_CACHE_BYTES: '0' }))).toEqual([{ computed: 1, cached: 0 }])
})

test('a request that fails for good stops the pipeline; what was embedded before it is not embedded again', async () => {
  await sendMovies(...Array.from({ length: 150 }, (_, i) => `Title ${i}`))
  const poison = 'Title 149'
  server.fault = ({ body }) =>
    body.input?.some((each) => each.startsWith(poison)) === true ? { status: 400, body: { error: 'too long' } } : null
  await expect(runVectors()).rejects.toMatchObject({ code: 'MODEL_FAILED' })
  server.fault = () => null
  const [embedded] = embeddedIn(await runVectors())
  expect(embedded!.computed + embedded!.cached).toBe(150)
  expect(new Set(embeddedTexts()).size).toBe(embeddedTexts().length)
})

test('wrong settings stop a pipeline before anything is read, by name, without the key', async () => {
  await sendMovies('Heat')
  server.fault = () => ({ status: 401, body: { error: { message: 'bad key sk-hunter2' } } })
  const events: PipelineEvent[] = []
  await expect(runVectors().then((told) => events.push(...told))).rejects.toMatchObject({
    code: 'MODEL_REFUSED',
    message: expect.not.stringContaining('hunter2'),
  })
  expect(events).toEqual([])
  expect(server.requests).toHaveLength(1)
  server.fault = () => null
  await expect(runVectors({ EMBEDDING_DIMENSION: '9' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})

describe('killed between embedding and commit', () => {
  async function millrace(
    more: Readonly<Record<string, string>>,
  ): Promise<{ code: number | null; signal: string | null; output: string }> {
    const main = join(import.meta.dirname, 'main.ts')
    const child = spawn(
      process.execPath,
      [main, 'run', 'vectors-movies', '--available-now', '--data', data.config.dataDir],
      { env: { ...process.env, ...environment(), ...more }, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const [stdout, stderr, [code, signal]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ])
    return { code, signal, output: stdout + stderr }
  }

  test.each(['0', '2'])('no text is embedded again (%s threads)', async (workers) => {
    await sendMovies('Heat', 'Alien', 'Ran')
    const killed = await millrace({ MILLRACE_WORKERS: workers, MILLRACE_FAULT: 'sink-begin:1:kill' })
    expect(killed.signal).toBe('SIGKILL')
    expect(embeddedTexts()).toHaveLength(3)

    const again = await millrace({ MILLRACE_WORKERS: workers })
    expect(again).toMatchObject({ code: 0, output: expect.stringContaining('"embedded":{"computed":0,"cached":3}') })
    expect(embeddedTexts()).toHaveLength(3)
    expect(again.output).not.toMatch(/hunter2|Warning/)
    await reading(config(), async (place) => {
      expect(await (await openVectors(place)).counts()).toEqual(new Map([['movies', 3]]))
    })
  })
})

const folder = {
  MILLRACE_EMBEDDER: 'transformers',
  EMBEDDING_MODEL_PATH: process.env.MILLRACE_TEST_EMBEDDING_MODEL_PATH ?? '',
  EMBEDDING_MODEL_ID: process.env.MILLRACE_TEST_EMBEDDING_MODEL_ID ?? '',
  MILLRACE_TRANSFORMERS: process.env.MILLRACE_TEST_TRANSFORMERS ?? '',
}

describe.skipIf(Object.values(folder).includes(''))('with a model in a folder', () => {
  test('threads embed by it, what they made is found again, and a question finds what it means', async () => {
    const others = Array.from({ length: 130 }, (_, i) => `The year ${1800 + i}`) // enough for two threads
    await sendMovies('Gangsters plan a heist', 'A botanist survives on Mars', ...others)
    const two = { ...folder, MILLRACE_WORKERS: '2' }
    expect(embeddedIn(await runVectors(two))).toEqual([{ computed: 132, cached: 0 }])
    await forgetStores()
    expect(embeddedIn(await runVectors(two))).toEqual([{ computed: 0, cached: 132 }])
    await reading(config(folder), async (place) => {
      const first = async (text: string) => (await search(place, { text, top: 1 }))[0]?.id
      expect(await first('thieves who want to rob a bank')).toBe('1')
      expect(await first('somebody left alone on another planet')).toBe('2')
    })
  })
})
