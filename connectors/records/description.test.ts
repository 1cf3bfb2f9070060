import { expect, test } from 'vitest'
import type { SinkDescription, Step } from '../../engine/contracts.ts'
import { definePipeline } from '../../engine/define.ts'
import type { MillraceError } from '../../engine/errors.ts'
import { kafka, type StartFrom, type TopicOptions, topicMatcher } from './description.ts'

/** What a definition that reads such topics is refused with. */
function problemsOf(options: TopicOptions): readonly string[] {
  const step: Step = { id: 's', kind: 'x', executor: 'columns', rejects: false, options: {} }
  const sink: SinkDescription = { kind: 'x', writes: 'table:t', inputs: { rows: 's' }, options: {} }
  try {
    definePipeline({ name: 'p', source: kafka(options), steps: [step], sink })
    return []
  } catch (error) {
    expect(error).toMatchObject({ code: 'DEFINITION_INVALID' })
    return (error as MillraceError).problems
  }
}
const starting = (startFrom: unknown) => problemsOf({ topic: 't', startFrom: startFrom as StartFrom })

test.each([
  '2026-03-07T00:00:00Z',
  '2026-03-07T00:00Z',
  '2026-03-07T00:00:00.123456789+05:30',
  '2024-02-29T23:59:59-08:00',
  '1969-12-31T23:59:59.999Z',
  '2026-03-07',
])('%s is a time to start at', (timestamp) => {
  expect(starting({ timestamp })).toEqual([])
})

test.each([
  '2026-03-07T00:00:00',
  'March 7',
  '1',
  '',
  '2026-02-30T00:00:00Z',
  '2026-02-30',
  '2026-03-07T25:00:00Z',
  '2026-03-07 00:00:00Z',
  '2026-03-07T00:00:00+0100',
  '2026-03-07T00:00:00 UTC',
  '20260307T000000Z',
  1_772_841_600_000,
  null,
])('%j names no instant, or another one on each machine', (timestamp) => {
  expect(starting({ timestamp })).toEqual([expect.stringContaining('ISO 8601')])
})

test.each(['0', 0, 7, '9223372036854775807', Number.MAX_SAFE_INTEGER])('%s is an offset to start at', (offset) => {
  expect(starting({ offsets: { 't/0': offset } })).toEqual([])
})

test.each(['9223372036854775808', '99999999999999999999', 2 ** 53, 1e21, -1, '-1', 1.5, '1e3', '', 'end', null])(
  '%s is no offset',
  (offset) => {
    expect(starting({ offsets: { 't/0': offset } })).toEqual([expect.stringContaining('9223372036854775807')])
  },
)

test.each([[{ 't/x': 1 }], [{ t: 1 }], [{ 't/00': 1 }], [{ 't/-1': 1 }], [{ '/0': 1 }], [{ 'other/0': 1 }]])(
  '%j names no partition that is read',
  (offsets) => {
    expect(starting({ offsets })).toHaveLength(1)
  },
)

test.each([null, 'sometime', 7, {}, { timestamp: '2026-03-07', offsets: {} }, { offsets: null }, { offsets: [1] }, []])(
  'startFrom may not be %j',
  (startFrom) => {
    expect(starting(startFrom)).toEqual([expect.stringContaining('startFrom')])
  },
)

test('every offset that makes no sense is named at once, whichever topics are chosen', () => {
  const offsets = { 'a/0': 1, 'c/0': 1, 'b/x': 1, 'b/1': -2 }
  expect(problemsOf({ topics: ['a', 'b'], startFrom: { offsets } })).toHaveLength(3)
  expect(problemsOf({ pattern: '[ab]', startFrom: { offsets } })).toHaveLength(3)
})

test('a topic stands in a list once', () => {
  expect(problemsOf({ topics: ['a', 'b', 'a'] })).toEqual([expect.stringContaining('"a" stands there twice')])
})

test('a pattern means neither topics of the cluster itself nor those of positions', () => {
  const matches = topicMatcher('.*', 'prod-')
  for (const own of ['__consumer_offsets', '__x', 'millrace-position.p.t', 'prod-position.p.t'])
    expect(matches(own)).toBe(false)
  for (const other of ['_schemas', 'orders', 'position.p', 'test-position.p.t', 'a__b'])
    expect(matches(other)).toBe(true)
  expect(topicMatcher('orders')('orders.eu')).toBe(false)
})

test('a choice of topics that is undefined is not given', () => {
  const given = { topics: undefined, startFrom: { offsets: { 'a/0': 1 } } } as unknown as { topic: string }
  expect(kafka(given).problems).toEqual(['kafka: give one of topic, topics and pattern, not none'])
})
