/** Batches that the first sinks took and the last did not: what is left of them, and how a pipeline goes on. */

import { lastValueFrom } from 'rxjs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { delta, kafka } from '../connectors/index.ts'
import { definePipeline } from '../engine/define.ts'
import { armFault, type FaultPoint } from '../engine/fault-points.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import { runPipeline } from '../engine/run.ts'
import { availableNow } from '../engine/trigger.ts'
import { int64, parseCritical, text } from '../operators/index.ts'
import { audit } from './commands/audit.ts'
import { list } from './commands/dead-letters.ts'
import { show } from './commands/tables.ts'
import { printed, printedJson, type TestData, testData } from './data-dir.testing.ts'
import { openWorkspace } from './workspace.ts'

let data: TestData
beforeEach(() => {
  data = testData()
})
afterEach(() => data.remove())

type Fields = Parameters<typeof parseCritical>[1]

function pipeline(fields: Fields, sink: Parameters<typeof definePipeline>[0]['sink']): Pipeline {
  return definePipeline({
    name: 'halved',
    source: kafka({ topic: 'in' }),
    steps: [parseCritical('parse', fields)],
    sink,
    deadLetters: delta({ table: 'dead_letters/t', mode: 'append' }),
  })
}

const append = delta({ table: 'b/t', mode: 'append' })
const merge = delta({ table: 'b/t', mode: 'merge', key: ['id'], newer: ['offset'] })
const name = { name: text('$.name', { optional: true }) }

/** Runs until a fault ends it. */
async function crashed(definition: Pipeline, point: FaultPoint, passage = 1): Promise<void> {
  const workspace = await openWorkspace({ ...data.config, fault: { point, passage, action: 'crash' } })
  const signal = new AbortController().signal
  const options = { stop: signal, abandon: signal }
  try {
    const run = runPipeline({ ...definition, trigger: availableNow() }, workspace.runtime, options)
    await expect(lastValueFrom(run)).rejects.toMatchObject({ code: 'FAULT_INJECTED' })
  } finally {
    await workspace.close()
    armFault(null)
  }
}

const letters = async () =>
  (await printedJson(() => list(data.context({ arguments: ['t'], json: true })))).rows
    .map(({ value, code }) => `${code} ${value}`)
    .sort()
const rows = async () =>
  (await printedJson(() => show(data.context({ arguments: ['b/t'], options: { columns: 'value' }, json: true })))).rows
    .map(({ value }) => String(value))
    .sort()

/** The log of a table proves that every range was committed once, and its files that every row is of one. */
async function expectProven(...tables: string[]): Promise<void> {
  for (const table of tables) {
    const { code, lines } = await printed(() => audit(data.context({ arguments: [table], options: { rows: true } })))
    expect(code, lines.join('\n')).toBe(0)
  }
}

test('what a table refuses for good is refused before the dead letters are committed: the definition put right goes on', async () => {
  await data.send('in', '{"id":1,"name":"a"}', 'no document')
  const wrong = { 'release date': text('$.name', { optional: true }) }
  await expect(data.run(pipeline({ id: int64('$.id'), ...wrong }, append))).rejects.toMatchObject({
    code: 'SCHEMA_MISMATCH',
  })
  await expect(letters()).rejects.toThrowError() // no table of dead letters was made
  await data.run(pipeline({ id: int64('$.id'), ...name }, append))
  expect(await rows()).toEqual(['{"id":1,"name":"a"}'])
  expect(await letters()).toEqual(['NOT_JSON no document'])
  await expectProven('b/t', 'dead_letters/t')
})

test('a record without a merge key is a dead letter, the others are written', async () => {
  await data.send('in', '{"id":1}', '{"name":"no key"}', '{"id":3}')
  await data.run(pipeline({ id: int64('$.id', { optional: true }) }, merge))
  expect(await rows()).toEqual(['{"id":1}', '{"id":3}'])
  expect(await letters()).toEqual(['STORE_REFUSED {"name":"no key"}'])
  await expectProven('dead_letters/t')
})

test('a row that breaks a rule of the table is a dead letter that can be sent again, the others are written', async () => {
  const checked = delta({ table: 'b/t', mode: 'append', check: { positive: 'v >= 0' } })
  await data.send('in', '{"id":1,"v":1}', '{"id":2,"v":-1}', '{"id":3,"v":3}')
  await data.run(pipeline({ id: int64('$.id'), v: int64('$.v', { optional: true }) }, checked))
  expect(await rows()).toEqual(['{"id":1,"v":1}', '{"id":3,"v":3}'])
  expect(await letters()).toEqual(['STORE_REFUSED {"id":2,"v":-1}'])
  await expectProven('b/t', 'dead_letters/t')
})

test('a half batch that only the dead letters hold is judged again by the definition of today, whole and once', async () => {
  await data.send('in', '{"id":0,"name":"before"}')
  const strict = pipeline({ id: int64('$.id'), name: text('$.name') }, append)
  await data.run(strict)
  await data.send('in', '{"id":1}', '{"name":"b"}', '{"id":3,"name":"c"}')
  await crashed(strict, 'between-sinks')
  expect(await letters()).toHaveLength(2)
  await data.run(pipeline({ id: int64('$.id'), ...name }, append))
  expect(await letters()).toEqual([expect.stringContaining('{"name":"b"}')])
  expect(await rows()).toEqual(['{"id":0,"name":"before"}', '{"id":1}', '{"id":3,"name":"c"}'])
  await expectProven('b/t', 'dead_letters/t')
})

test('whatever the moment at which taking back dies, every record is in one of the two tables, once', async () => {
  await data.send('in', '{"id":1}', '{"name":"b"}', '{"id":3,"name":"c"}')
  await crashed(pipeline({ id: int64('$.id'), name: text('$.name') }, append), 'between-sinks')
  const lenient = pipeline({ id: int64('$.id'), ...name }, append)
  for (const point of ['before-log-commit', 'after-log-commit', 'between-sinks'] as const) await crashed(lenient, point)
  await data.run(lenient)
  expect(await letters()).toEqual([expect.stringContaining('{"name":"b"}')])
  expect(await rows()).toEqual(['{"id":1}', '{"id":3,"name":"c"}'])
  await expectProven('b/t', 'dead_letters/t')
})
