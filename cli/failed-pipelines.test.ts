import { expect, test } from 'vitest'
import { MillraceError } from '../engine/errors.ts'
import { exitCodeOf, failureLines } from './failed-pipelines.ts'

const away = { pipeline: 'a', error: new MillraceError('KAFKA_UNREACHABLE', 'kafka: away (is the broker up?)') }
const lost = { pipeline: 'b', error: new MillraceError('SOURCE_RANGE_LOST', 'pipeline b: t is gone (restore it)') }
const bug = { pipeline: 'c', error: new TypeError('x is undefined') }
const usage = { pipeline: 'd', error: new MillraceError('CONFIG_INVALID', 'no\nno', { problems: ['one', 'two'] }) }

test('each failed pipeline has a line with its name and what to do, and the last line names all of them', () => {
  expect(failureLines([away, lost], 15)).toEqual([
    'millrace: pipeline a failed: kafka: away (is the broker up?)',
    'millrace: pipeline b failed: t is gone (restore it)',
    'millrace: 2 of 15 pipelines failed: a, b',
  ])
  expect(failureLines([], 15)).toEqual([])
})

test('a pipeline that ran alone needs one line; a problem of its definition each its own', () => {
  expect(failureLines([away], 1)).toEqual(['millrace: pipeline a failed: kafka: away (is the broker up?)'])
  expect(failureLines([usage], 1)).toEqual(['millrace: pipeline d failed: one', 'millrace: pipeline d failed: two'])
})

test('the stack of a bug comes before the lines for people', () => {
  const lines = failureLines([bug, away], 2)
  expect(lines[0]).toMatch(/^TypeError: x is undefined\n +at /)
  expect(lines.slice(1)).toEqual([
    'millrace: pipeline c failed: internal error: x is undefined (please report it)',
    'millrace: pipeline a failed: kafka: away (is the broker up?)',
    'millrace: 2 of 2 pipelines failed: c, a',
  ])
})

test('the exit code is 0 where none failed, 2 where only definitions are wrong, else 1', () => {
  expect([[], [usage], [usage, away], [away], [bug]].map(exitCodeOf)).toEqual([0, 2, 1, 1, 1])
})
