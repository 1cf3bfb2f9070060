import { lastValueFrom } from 'rxjs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { delta, kafka } from '../../connectors/index.ts'
import { definePipeline } from '../../engine/define.ts'
import { armFault } from '../../engine/fault-points.ts'
import type { Pipeline } from '../../engine/pipeline.ts'
import { runPipeline } from '../../engine/run.ts'
import { availableNow } from '../../engine/trigger.ts'
import { int64, parseCritical, text } from '../../operators/index.ts'
import { printed, printedJson, type TestData, testData } from '../data-dir.testing.ts'
import { openWorkspace } from '../workspace.ts'
import { audit } from './audit.ts'
import { list } from './dead-letters.ts'
import { recoverPipeline } from './recover.ts'
import { show } from './tables.ts'

let data: TestData
beforeEach(async () => {
  data = testData()
  await data.send('in', '{"id":0,"name":"before"}')
})
afterEach(() => {
  armFault(null)
  data.remove()
})

/** A pipeline into two tables; what is looked at is the further one beside the dead letters, and the primary. */
function definition(fields: Parameters<typeof parseCritical>[1], mode: 'append' | 'overwrite' = 'append'): Pipeline {
  return definePipeline({
    name: 'halved',
    source: kafka({ topic: 'in' }),
    steps: [parseCritical('parse', fields)],
    sinks: [delta({ table: 'b/extra', mode: 'append' })],
    sink: delta({ table: 'b/t', mode }),
    deadLetters: delta({ table: 'dead_letters/t', mode: 'append' }),
  })
}

/** Leaves a batch in the dead letters and the further table only. */
async function halve(pipeline: Pipeline): Promise<void> {
  await data.run(pipeline)
  await data.send('in', '{"id":1}', '{"name":"b"}', '{"id":3,"name":"c"}')
  const fault = { point: 'between-sinks', passage: 2, action: 'crash' } as const
  const workspace = await openWorkspace({ ...data.config, fault })
  const signal = new AbortController().signal
  try {
    const options = { stop: signal, abandon: signal }
    const run = runPipeline({ ...pipeline, trigger: availableNow() }, workspace.runtime, options)
    await expect(lastValueFrom(run)).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
  } finally {
    await workspace.close()
    armFault(null)
  }
}

const strict = { id: int64('$.id'), name: text('$.name') }
const lenient = { id: int64('$.id'), name: text('$.name', { optional: true }) }

const recovered = (pipeline: Pipeline, options = {}) =>
  printed(() => recoverPipeline(pipeline, data.context({ options })))

async function held(): Promise<Readonly<Record<string, readonly string[]>>> {
  const valuesOf = async (table: string) =>
    (
      await printedJson(() => show(data.context({ arguments: [table], options: { columns: 'value' }, json: true })))
    ).rows
      .map(({ value }) => String(value))
      .sort()
  const letters = await printedJson(() => list(data.context({ arguments: ['t'], json: true })))
  return {
    letters: letters.rows.map(({ code, value }) => `${code} ${value}`).sort(),
    extra: await valuesOf('b/extra'),
    primary: await valuesOf('b/t'),
  }
}

async function expectProven(): Promise<void> {
  for (const table of ['b/t', 'b/extra', 'dead_letters/t']) {
    const { code, lines } = await printed(() => audit(data.context({ arguments: [table], options: { rows: true } })))
    expect(code, lines.join('\n')).toBe(0)
  }
}

/** All of a run that follows goes through, and the next records arrive in every table. */
async function expectGoesOn(pipeline: Pipeline): Promise<void> {
  await data.send('in', '{"id":9,"name":"after"}')
  await data.run(pipeline)
  const { extra, primary } = await held()
  for (const rows of [extra, primary]) expect(rows).toContain('{"id":9,"name":"after"}')
  await expectProven()
}

const [before, one, three] = ['{"id":0,"name":"before"}', '{"id":1}', '{"id":3,"name":"c"}'] as const

test('a half batch of another definition is refused, and the message names the command, which shows the ways out and does nothing', async () => {
  await halve(definition(strict))
  const today = definition(lenient)
  await expect(data.run(today)).rejects.toMatchObject({
    code: 'DEFINITION_CHANGED',
    message: expect.stringContaining('millrace recover'),
  })
  const was = await held()
  const { code, lines } = await recovered(today)
  expect(code).toBe(0)
  expect(lines[0]).toMatch(
    /is in table dead_letters.t, table b.extra and missing in table b.t: the pipeline does not start/,
  )
  expect(lines.slice(1).map((line) => line.trim().split(' ')[0])).toEqual(['--finish', '--rewrite', '--set-aside'])
  expect(lines.join('\n')).not.toContain('not possible')
  const { rows } = await printedJson(() => recoverPipeline(today, data.context({ json: true })))
  expect(rows).toMatchObject([
    { pipeline: 'halved', state: 'refused', choices: [{ way: 'finish', closed: null }, {}, {}] },
  ])
  expect(await held()).toEqual(was)
})

test('finish: the sinks that lack the range get what the definition of today makes of it', async () => {
  await halve(definition(strict))
  const today = definition(lenient)
  expect((await recovered(today, { finish: true })).lines.at(-1)).toBe('done: finish')
  expect(await held()).toMatchObject({ extra: [before, three], primary: [before, one, three] })
  expect((await recovered(today)).lines).toEqual(['pipeline halved: nothing to recover: its sinks agree'])
  await expectGoesOn(today)
})

test('rewrite: every sink has what the definition of today makes of the range, once', async () => {
  await halve(definition(strict))
  const today = definition(lenient)
  await recovered(today, { rewrite: true })
  expect(await held()).toEqual({
    letters: ['MISSING_FIELD {"name":"b"}'],
    extra: [before, one, three],
    primary: [before, one, three],
  })
  await expectGoesOn(today)
})

test('set aside: the sinks that lack the range are past it, and all of its records are dead letters, once', async () => {
  await halve(definition(strict))
  const today = definition(lenient)
  await recovered(today, { 'set-aside': true })
  expect(await held()).toEqual({
    letters: ['SET_ASIDE {"id":1}', 'SET_ASIDE {"id":3,"name":"c"}', 'SET_ASIDE {"name":"b"}'],
    extra: [before, three],
    primary: [before],
  })
  await expectGoesOn(today)
})

test('a way that a sink cannot go is refused by name and changes nothing; two at once are a usage error', async () => {
  await halve(definition(strict))
  const overwrite = definition(lenient, 'overwrite')
  const was = await held()
  await expect(recovered(overwrite, { 'set-aside': true })).rejects.toMatchObject({
    code: 'SINK_FAILED',
    message: expect.stringContaining('--set-aside is not possible: a batch without rows would empty table b/t'),
  })
  await expect(recovered(overwrite, { finish: true, rewrite: true })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  expect(await held()).toEqual(was)
})
