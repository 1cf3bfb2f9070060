import { expect, test } from 'vitest'
import { absentTopics, isPassedOver } from './absent-topics.ts'
import type { TopicChoice } from './description.ts'

const absent = (
  choice: TopicChoice,
  present: string[],
  read: string[] = [],
  onDataLoss: 'fail' | 'continue' = 'fail',
) =>
  absentTopics({ choice, onDataLoss, present: new Set(present), read: new Set(read), advice: 'create it' }).map(
    ({ what, optional }) => `${what}${optional ? ' (may be)' : ''}`,
  )

test('a named topic that never was there is needed, one among several as well', () => {
  expect(absent({ topic: 'typo' }, [])).toEqual(['topic typo'])
  expect(absent({ topics: ['a', 'typo', 'tpyo'] }, ['a'])).toEqual(['topic typo', 'topic tpyo'])
  expect(absent({ topics: ['a', 'b'] }, ['a', 'b'])).toEqual([])
})

test('a topic that was there before is told, and not needed: how far it was read decides', () => {
  for (const onDataLoss of ['fail', 'continue'] as const) {
    expect(absent({ topics: ['a', 'b'] }, ['a'], ['a', 'b'], onDataLoss)).toEqual(['topic b (may be)'])
    expect(absent({ pattern: 't\\..*' }, ['t.a'], ['t.a', 't.b', 'other'], onDataLoss)).toEqual(['topic t.b (may be)'])
  }
})

test('a pattern that matches nothing is told and may be', () => {
  expect(absent({ pattern: 't\\..*' }, [])).toEqual(['a topic that matches t\\..* (may be)'])
  expect(absent({ pattern: 't\\..*' }, ['t.a'])).toEqual([])
})

test('partitions are of a source by their topic', () => {
  const passed = (choice: TopicChoice, partition: string) => isPassedOver({ choice, onDataLoss: 'continue' }, partition)
  expect(passed({ pattern: 't\\..*' }, 't.a/0')).toBe(true)
  expect(passed({ pattern: 't\\..*' }, 't.a/b/0')).toBe(true)
  for (const partition of ['u/0', 't.a', 't.a/id', '5f0b7a0e-55d2-4b0e-9f0e-000000000000'])
    expect(passed({ pattern: 't\\..*' }, partition)).toBe(false)
  expect([passed({ topics: ['a'] }, 'a/12'), passed({ topic: 'a' }, 'b/0')]).toEqual([true, false])
  expect(isPassedOver({ choice: { topic: 'a' }, onDataLoss: 'fail' }, 'a/0')).toBe(false)
})

test('topics of positions, which patterns matched in earlier versions, are passed over', () => {
  const choice = { pattern: '.*orders.*' }
  const passed = (partition: string) => isPassedOver({ choice, onDataLoss: 'fail' }, partition, 'prod-')
  expect(passed('millrace-position.orders.out/0')).toBe(true)
  expect(passed('prod-position.orders.out/0')).toBe(true)
  expect(passed('shop.orders/0')).toBe(false)
})
