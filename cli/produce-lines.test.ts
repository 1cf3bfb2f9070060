import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { jsonLineReader } from '../operators/parse/json-line.ts'
import { type ProduceOptions, produceLines } from './produce-lines.ts'

/** Time that passes only by waiting. */
function setUp(chunks: readonly string[], more: Partial<ProduceOptions> = {}) {
  let nowMs = 1_000_000
  const sent: { readonly atMs: number; readonly values: readonly string[] }[] = []
  const send: ProduceOptions['producer']['send'] = async (_, batch) => {
    sent.push({ atMs: nowMs - 1_000_000, values: batch.columns.values.map((value) => Buffer.from(value!).toString()) })
  }
  const producer = { createTopics: async () => {}, refusals: async () => () => null, send, close: async () => {} }
  const clock = {
    nowMs: () => nowMs,
    sleep: async (ms: number) => {
      nowMs += ms
    },
  }
  const options: ProduceOptions = {
    topic: 't',
    input: { name: 'here', stream: Readable.from(chunks.map((chunk) => Buffer.from(chunk))) },
    producer,
    read: jsonLineReader(null),
    onRefused: () => {},
    clock,
    signal: new AbortController().signal,
    ...more,
  }
  return { sent, options }
}

test('a rate is kept to, record by record where it is low', async () => {
  const { sent, options } = setUp(['1\n2\n3\n', '4\n'], { ratePerSecond: 2 })
  expect(await produceLines(options)).toEqual({ records: 4, bytes: 4, lastLine: 4, ended: 'complete' })
  expect(sent.map(({ atMs }) => atMs)).toEqual([0, 500, 1000, 1500])
})

test('lines are sent as soon as a chunk has brought them, not when the next has come', async () => {
  const { sent, options } = setUp(['1\n2', '2\n3\n', '4'])
  await produceLines(options)
  expect(sent.map(({ values }) => values)).toEqual([['1'], ['22', '3'], ['4']])
})

test('a failure says how far it got, and a stop is none', async () => {
  const failing = setUp(['1\n', '2\n'])
  let calls = 0
  const full = new Error('disk full')
  const producer = {
    ...failing.options.producer,
    send: async () => {
      calls += 1
      if (calls === 2) throw full
    },
  }
  expect(await produceLines({ ...failing.options, producer })).toMatchObject({ lastLine: 1, ended: { failed: full } })

  const stop = new AbortController()
  const stopped = setUp(['1\n', '2\n'], { signal: stop.signal })
  const stopping = { ...stopped.options.producer, send: async () => stop.abort() }
  expect(await produceLines({ ...stopped.options, producer: stopping })).toMatchObject({
    lastLine: 1,
    ended: 'stopped',
  })
})
