/** What a disk refuses, in words that say what to do. */
import { isSystemError, MillraceError, messageOf } from '../../engine/errors.ts'

/** The `STORAGE_FAILED` for anything thrown while reading or writing `path`; a MillraceError is passed on as it is. */
export function storageError(verb: 'read' | 'write', path: string, cause: unknown): MillraceError {
  if (cause instanceof MillraceError) return cause
  const { what, retryable } = explain(cause)
  const done = verb === 'read' ? 'could not be read' : 'could not be written'
  return new MillraceError('STORAGE_FAILED', `${path} ${done}: ${what}`, { cause, retryable, context: { path } })
}

function explain(cause: unknown): { what: string; retryable: boolean } {
  if (isSystemError(cause, 'ENOSPC', 'EDQUOT')) return { what: 'disk full (free some space)', retryable: true }
  if (isSystemError(cause, 'EROFS'))
    return { what: 'the filesystem is read-only (mount it for writing, or choose another folder)', retryable: false }
  if (isSystemError(cause, 'EACCES', 'EPERM'))
    return {
      what: 'permission denied (give this user access to the folder, on a filesystem with hard links)',
      retryable: false,
    }
  if (isSystemError(cause, 'ENOTDIR', 'EISDIR', 'EEXIST', 'ENOTSUP', 'ENOSYS'))
    return { what: `${messageOf(cause)} (choose another folder)`, retryable: false }
  if (isSystemError(cause, 'ENOENT'))
    return { what: `${messageOf(cause)} (bring the folder back, or choose another)`, retryable: true }
  return { what: messageOf(cause), retryable: cause instanceof Error && 'syscall' in cause }
}
