/** Copies of what an author gave, whatever it is: plain data that no getter, proxy or later change can surprise. Pure. */

/** A copy, or why there is none: one line. */
export type PlainCopy = { readonly value: unknown } | { readonly problem: string }

/** Deeper and larger than any definition. */
const [deepest, mostParts] = [1000, 1_000_000]

interface Copying {
  /** Copies by what they are of; null while it is being copied. */
  readonly copies: Map<object, object | null>
  parts: number
}

/**
 * Arrays and objects are copied with all inside, own enumerable properties only; all else stays what it is (functions too: they are no data,
 * and whoever looks at the copy says so). Never throws.
 */
export function plainCopy(given: unknown): PlainCopy {
  try {
    return { value: copyOf(given, 0, { copies: new Map(), parts: 0 }) }
  } catch (error) {
    return { problem: error instanceof NoData ? error.message : 'cannot be read (give plain data)' }
  }
}

/** Why something cannot be copied. */
class NoData extends Error {}

function copyOf(value: unknown, depth: number, copying: Copying): unknown {
  if (typeof value !== 'object' || value === null) return value
  const known = copying.copies.get(value)
  if (known === null) throw new NoData('holds itself (give plain data)')
  if (known !== undefined) return known
  if (depth > deepest) throw new NoData(`is nested more than ${deepest} deep (give less)`)
  copying.copies.set(value, null)
  const copy = Array.isArray(value) ? listCopy(value, depth, copying) : objectCopy(value, depth, copying)
  copying.copies.set(value, copy)
  return copy
}

function listCopy(value: readonly unknown[], depth: number, copying: Copying): unknown[] {
  count(value.length, copying)
  return Array.from(value, (item) => copyOf(item, depth + 1, copying))
}

function objectCopy(value: object, depth: number, copying: Copying): object {
  const entries = Object.entries(value)
  count(entries.length, copying)
  return Object.fromEntries(entries.map(([key, part]) => [key, copyOf(part, depth + 1, copying)]))
}

function count(parts: number, copying: Copying): void {
  copying.parts += parts
  if (copying.parts > mostParts) throw new NoData(`has more than ${mostParts} parts (give less)`)
}
