import { expect, test } from 'vitest'
import { readsTarget, sharedTarget } from './targets.ts'

test.each([
  ['topic:a', 'topic:a', true],
  ['topic:a', 'topic:b', false],
  ['topics:a,b', 'topic:b', true],
  ['topics:a,b', 'topic:c', false],
  ['topics:/a.*/', 'topic:ab', true],
  ['topics:/a|b/', 'topic:ab', false],
  ['topics:/.*/', 'table:a', false],
  ['topics:/.*/', 'topics', false],
  ['table:a', 'table:a', true],
])('%s reads %s: %s', (reads, writes, expected) => {
  expect(readsTarget(reads, writes)).toBe(expected)
})

test.each([
  ['topic:a', 'topic:a', 'topic:a'],
  ['topic:a', 'topics:b,a', 'topic:a'],
  ['topics:a,b', 'topics:b,c', 'topic:b'],
  ['topics:a,b', 'topics:c', null],
  ['topics:/a.*/', 'topic:ab', 'topic:ab'],
  ['topic:ab', 'topics:/a.*/', 'topic:ab'],
  ['topics:b,ab', 'topics:/a.*/', 'topic:ab'],
  ['topics:/a.*/', 'topics:/a.*/', 'topics:/a.*/'],
  ['topics:/a.*/', 'topics:/.b/', null],
  ['table:a', 'topic:a', null],
])('%s and %s both read %s', (left, right, expected) => {
  expect(sharedTarget(left, right)).toBe(expected)
})
