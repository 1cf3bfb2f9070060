import { expect, test } from 'vitest'
import { writeFailure } from './disk-full.ts'
import { MillraceError } from './errors.ts'

test('a write that failed for lack of room may be tried again, whoever said so', () => {
  const words = 'IO Error: Could not write file "/lake/a": No space left on device'
  for (const cause of [new Error(words), new MillraceError('SINK_FAILED', words)])
    expect(writeFailure('commit to store s failed', cause, { path: 's' })).toMatchObject({
      code: 'STORAGE_FAILED',
      retryable: true,
      message: `commit to store s failed: ${words} (free some space)`,
      context: { path: 's' },
    })
})

test('any other failure of a write is final, and an error with a code keeps it', () => {
  expect(writeFailure('commit', new Error('no such column'))).toMatchObject({ code: 'SINK_FAILED', retryable: false })
  const ours = new MillraceError('SCHEMA_MISMATCH', 'table t: column a is long')
  expect(writeFailure('commit', ours)).toBe(ours)
})
