/** Whether a line is a JSON document, as the parse steps have it, and the text of one of its fields. */
import { isUtf8 } from 'node:buffer'
import { pathKeys } from './fields.ts'
import { compilePaths } from './paths.ts'
import { halfPair, notUtf8, refused } from './refusals.ts'
import { createScan, decodeString, kinds } from './scan.ts'

/** What a line holds, or why it is not taken. */
export type JsonLine =
  /** `key`: text of the field, as UTF-8; null where none is looked for. */
  | { readonly kind: 'document'; readonly key: Uint8Array | null }
  | { readonly kind: 'refused'; readonly message: string }

/** Reads one line at a time. */
export type JsonLineReader = (bytes: Buffer) => JsonLine

/** A field's path out of its name, a path with dots, or a path from the root (`$.a['b.c']`); null if it is none. */
export function fieldPath(name: string): string | null {
  const keys = name.split('.')
  if (!name.startsWith('$') && keys.includes('')) return null
  const path = name.startsWith('$') ? name : `$${keys.map(step).join('')}`
  return pathKeys(path) === null ? null : path
}

function step(key: string): string {
  return `['${key.replace(/['\\]/g, '\\$&')}']`
}

/**
 * A reader of lines, each one JSON document by the rules of `parseCritical` and `parse`: what it takes, they take for JSON. With a path,
 * the value there is the line's key: a text as it is, a number as it is written, `true` or `false`; a line without one is refused, and
 * one in which it stands twice.
 */
export function jsonLineReader(path: string | null): JsonLineReader {
  const paths = compilePaths(path === null ? [] : [path])
  const scan = createScan(paths.root, paths.slots)
  const slot = paths.fieldSlots[0]
  const refuse = (message: string): JsonLine => ({ kind: 'refused', message })
  return (bytes) => {
    if (!scan.document(bytes, 0, bytes.length)) return refuse(refused(scan, bytes, 0, bytes.length).message)
    if (!isUtf8(bytes)) return refuse(notUtf8(bytes, 0, bytes.length).message)
    if (scan.halfPairAt >= 0) return refuse(halfPair(bytes, scan.halfPairAt, 0).message)
    if (slot === undefined) return { kind: 'document', key: null }
    const name = paths.names[slot]!
    if (scan.duplicate >= 0) return refuse(`field ${paths.names[scan.duplicate]} stands twice (a key is one value)`)
    const kind = scan.kinds[slot]!
    const [from, to] = [scan.starts[slot]!, scan.ends[slot]!]
    if (kind === kinds.absent) return refuse(`field ${name} is missing`)
    if (kind === kinds.null) return refuse(`field ${name} is null`)
    if (kind === kinds.object || kind === kinds.array)
      return refuse(`field ${name} is ${kind === kinds.object ? 'an object' : 'a list'}, and no text or number`)
    if (kind === kinds.escaped) return { kind: 'document', key: Buffer.from(decodeString(bytes, from, to)) }
    return {
      kind: 'document',
      key: kind === kinds.string ? bytes.subarray(from + 1, to - 1) : bytes.subarray(from, to),
    }
  }
}
