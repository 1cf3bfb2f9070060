import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Clock } from '../../engine/contracts.ts'
import { corruptions } from './corruption.ts'
import { isoTime, recordOf, type TopicRecord } from './envelope.ts'
import type { TmdbEvent } from './event.ts'
import { generateHistory } from './generator.ts'
import { type Disorder, disordered, type RecordAppender, simulate } from './simulator.ts'

/** Time stands still but for sleeps. */
function testClock(): Clock {
  let now = 0
  return {
    nowMs: () => now,
    sleep: async (ms) => {
      now += ms
    },
  }
}

function memoryAppender(): RecordAppender & { readonly records: TopicRecord[]; readonly appends: number[] } {
  const records: TopicRecord[] = []
  const appends: number[] = []
  return {
    records,
    appends,
    append: async (topic, its) => {
      for (const record of its) expect(record.topic).toBe(topic)
      records.push(...its)
      appends.push(its.length)
    },
  }
}

const history = (titles: number): TmdbEvent[] => [...generateHistory({ seed: 1, titles })]

const textOf = ({ topic, key, value, timestampMs }: TopicRecord): string =>
  [topic, Buffer.from(key), timestampMs, value === null ? null : Buffer.from(value).toString('latin1')].join(' ')

async function send(events: readonly TmdbEvent[], disorder: Disorder) {
  const appender = memoryAppender()
  const report = await simulate(events, { ...disorder, clock: testClock() }, appender)
  return { report, ...appender }
}

async function outgoing(events: readonly TmdbEvent[], disorder: Disorder) {
  const records = []
  for await (const record of disordered(events, disorder)) records.push(record)
  return records
}

/** What bronze needs of a record, judged by other means than its own. */
function isReadable({ value }: TopicRecord): boolean {
  if (value === null) return true
  try {
    const { id, label, timestamp } = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value))
    const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(timestamp) && !Number.isNaN(Date.parse(timestamp))
    return Number.isSafeInteger(id) && ['old', 'new', 'change'].includes(label) && isTime
  } catch {
    return false
  }
}

test('without disorder every event is sent once, in its order', async () => {
  const events = history(30)
  const { records, report } = await send(events, { seed: 1 })
  for (const topic of ['tmdb.movies', 'tmdb.tv_series', 'tmdb.people'])
    expect(records.filter((record) => record.topic === topic).map(textOf)).toEqual(
      events
        .map(recordOf)
        .filter((record) => record.topic === topic)
        .map(textOf),
    )
  expect(report).toMatchObject({
    events: events.length,
    records: events.length,
    duplicates: 0,
    late: 0,
    complete: true,
  })
})

test('whatever the order, the records of the events are all there, and only copies are added', async () => {
  const events = history(12)
  const own = events.map((event) => textOf(recordOf(event))).sort()
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        seed: fc.nat(),
        shuffleWindow: fc.nat({ max: 300 }),
        late: fc.double({ min: 0, max: 1, noNaN: true }),
        duplicate: fc.double({ min: 0, max: 1, noNaN: true }),
        corrupt: fc.double({ min: 0, max: 1, noNaN: true }),
        delayEvents: fc.integer({ min: 1, max: 400 }),
      }),
      async (disorder) => {
        const records = await outgoing(events, disorder)
        const by = (...causes: readonly string[]) =>
          records.filter((record) => causes.includes(record.cause)).map(textOf)
        expect(by('event', 'late').sort()).toEqual(own)
        const known = new Set(own)
        for (const copy of by('duplicate')) expect(known.has(copy)).toBe(true)
        for (const record of records)
          expect(isReadable(record), textOf(record)).toBe(!corruptions.some((kind) => kind === record.cause))
      },
    ),
    { numRuns: 25 },
  )
})

test('the seed decides everything: same records in the same order, or others', async () => {
  const events = history(20)
  const disorder = { shuffleWindow: 50, late: 0.1, duplicate: 0.1, corrupt: 0.1 }
  const texts = async (seed: number) => (await outgoing(events, { ...disorder, seed })).map(textOf)
  expect(await texts(5)).toEqual(await texts(5))
  expect(await texts(5)).not.toEqual(await texts(6))
})

test('the report counts what was written', async () => {
  const events = history(100)
  const { report, records } = await send(events, {
    seed: 2,
    shuffleWindow: 20,
    late: 0.1,
    duplicate: 0.05,
    corrupt: 0.1,
  })
  const damaged = records.filter((record) => !isReadable(record)).length
  const sum = Object.values(report.corrupted).reduce((a, b) => a + b, 0)
  expect(sum).toBe(damaged)
  expect(damaged / events.length).toBeCloseTo(0.1, 1)
  for (const kind of corruptions) expect(report.corrupted[kind], kind).toBeGreaterThan(0)
  expect(report.duplicates / events.length).toBeCloseTo(0.05, 1)
  expect(report.late / events.length).toBeCloseTo(0.1, 1)
  expect(report.records).toBe(records.length)
  expect(report.records).toBe(report.events + report.duplicates + sum)
  expect(report.bytes).toBe(records.reduce((all, { key, value }) => all + key.length + (value?.length ?? 0), 0))
  expect(report.tombstones).toBe(records.filter((record) => record.value === null).length)
  expect(Object.values(report.topics).reduce((a, b) => a + b, 0)).toBe(records.length)
})

test('damaged copies can stand instead of the good records', async () => {
  const events = history(50)
  const { report, records } = await send(events, { seed: 3, corrupt: 0.2, duplicate: 0.2, corruptReplaces: true })
  const damaged = records.filter((record) => !isReadable(record)).length
  expect(damaged).toBeGreaterThan(0)
  expect(report.events).toBe(events.length - damaged)
  expect(report.records).toBe(events.length + report.duplicates)
})

test('shuffling moves no record further than its window, a delay no later than so many events', async () => {
  const events = history(40)
  const place = new Map(events.map((event, i) => [textOf(recordOf(event)), i]))
  const mixed = (await outgoing(events, { seed: 4, shuffleWindow: 10 })).map((record) => place.get(textOf(record))!)
  expect(mixed).not.toEqual(events.map((_, i) => i))
  for (const [i, from] of mixed.entries()) expect(Math.abs(i - from)).toBeLessThan(10)
  const late = await outgoing(events, { seed: 4, late: 0.3, delayEvents: 25 })
  let held = 0
  for (const [i, record] of late.entries()) {
    expect(i - place.get(textOf(record))!).toBeLessThanOrEqual(25)
    if (record.cause === 'late') held += 1
  }
  expect(held).toBeGreaterThan(50)
})

test('a rate holds records back by the clock', async () => {
  const clock = testClock()
  const appender = memoryAppender()
  const events = history(20).slice(0, 100)
  await simulate(events, { seed: 1, clock, ratePerSecond: 20 }, appender)
  expect(clock.nowMs()).toBe(5000)
  expect(Math.max(...appender.appends)).toBeLessThanOrEqual(2)
})

test('stopping leaves whole batches behind, and sending again appends', async () => {
  const stop = new AbortController()
  const appender = memoryAppender()
  const options = { seed: 1, clock: testClock(), batchRecords: 10, signal: stop.signal }
  const events = history(20)
  const report = await simulate(
    events,
    { ...options, onProgress: ({ records }) => records >= 30 && stop.abort() },
    appender,
  )
  expect(report).toMatchObject({ records: 30, complete: false })
  expect(appender.records).toHaveLength(30)
  await simulate(events, { seed: 1, clock: testClock() }, appender)
  expect(appender.records).toHaveLength(30 + events.length)
})

test('what the appender throws ends it', async () => {
  const failing: RecordAppender = { append: () => Promise.reject(new Error('disk full')) }
  await expect(simulate(history(5), { seed: 1, clock: testClock() }, failing)).rejects.toThrow('disk full')
})

test('times are written to the second where they are whole, else to the millisecond', () => {
  expect(isoTime(1784011541000)).toBe('2026-07-14T06:45:41Z')
  expect(isoTime(1784011541250)).toBe('2026-07-14T06:45:41.250Z')
})
