/** Keys of an object store: what is allowed, and their order. */
import { MillraceError } from '../../engine/errors.ts'

/**
 * Refuses what is no key: empty or absolute, empty segments, segments that begin with a dot (`.`, `..`, and the names
 * that stores keep for unfinished files), NUL. `STORAGE_FAILED`.
 */
export function assertKey(key: string): void {
  const good = !key.includes('\0') && key.split('/').every((segment) => segment !== '' && !segment.startsWith('.'))
  if (!good)
    throw new MillraceError(
      'STORAGE_FAILED',
      `object key is not valid: ${JSON.stringify(key)} (relative, no dot names)`,
    )
}

/** Ascending UTF-8 byte order, which for characters beyond the 16-bit range is not that of JavaScript. */
export function compareKeys(left: string, right: string): number {
  return left === right ? 0 : Buffer.compare(Buffer.from(left), Buffer.from(right))
}
