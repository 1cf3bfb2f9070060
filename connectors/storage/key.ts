/** Keys of an object store: what is allowed, and their order. */
import { MillraceError } from '../../engine/errors.ts'

/** Whether a text is a key: see {@link assertKey}. */
export function isKey(key: string): boolean {
  return !key.includes('\0') && key.split('/').every((segment) => segment !== '' && !segment.startsWith('.'))
}

/**
 * Refuses what is no key: empty or absolute, empty segments, segments that begin with a dot (`.`, `..`, and the names
 * that stores keep for unfinished files), NUL. `STORAGE_FAILED`.
 */
export function assertKey(key: string): void {
  if (!isKey(key))
    throw new MillraceError(
      'STORAGE_FAILED',
      `object key is not valid: ${JSON.stringify(key)} (relative, no dot names)`,
    )
}

/** Ascending UTF-8 byte order, which for characters beyond the 16-bit range is not that of JavaScript. */
export function compareKeys(left: string, right: string): number {
  return left === right ? 0 : Buffer.compare(Buffer.from(left), Buffer.from(right))
}
