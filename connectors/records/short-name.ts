/** Names that must not be longer than what they name allows. */
import { createHash } from 'node:crypto'

/**
 * The name, or where that is longer than `limit` its beginning and a hash of all of it: cut alone, two long names could become
 * one. Lengths in characters, of names in ASCII.
 */
export function shortName(name: string, limit: number): string {
  if (name.length <= limit) return name
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 16)
  return `${name.slice(0, limit - hash.length - 1)}-${hash}`
}
