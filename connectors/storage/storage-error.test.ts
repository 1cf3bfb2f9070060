import { expect, test } from 'vitest'
import { MillraceError } from '../../engine/errors.ts'
import { storageError } from './storage-error.ts'

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: it failed`), { code, syscall: 'write' })
}

test.each([
  ['ENOSPC', 'disk full (free some space)', true],
  ['EDQUOT', 'disk full (free some space)', true],
  ['EROFS', 'read-only', false],
  ['EACCES', 'permission denied', false],
  ['EPERM', 'permission denied', false],
  ['ENOENT', 'choose another', true],
  ['EIO', 'EIO: it failed', true],
])('%s is explained', (code, words, retryable) => {
  const error = storageError('write', '/lake/t/a', failure(code))
  expect(error).toMatchObject({ code: 'STORAGE_FAILED', retryable })
  expect(error.message).toContain('/lake/t/a could not be written')
  expect(error.message).toContain(words)
})

test('an error that is ours already stays as it is', () => {
  const error = new MillraceError('TABLE_CORRUPT', 'x')
  expect(storageError('read', '/a', error)).toBe(error)
})
