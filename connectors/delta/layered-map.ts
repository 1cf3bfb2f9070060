/** Maps that share most of their entries with the map they came from. */

const gone = Symbol('gone')

/** Below this, copying is cheaper than looking twice. */
const smallSize = 256

/** A map in the making. */
export interface MapDraft<K, V> {
  get(key: K): V | undefined
  set(key: K, value: V): void
  delete(key: K): void
  /** The map as it is now; the draft may not be used afterwards. */
  finish(): ReadonlyMap<K, V>
}

/**
 * Begins a changed copy of a map that is never changed itself (a plain one, or one made here). A few changes to a large
 * map cost in the order of the square root of its size, not its size. Changed entries come last in the order.
 */
export function draftOf<K, V>(source: ReadonlyMap<K, V> | undefined): MapDraft<K, V> {
  if (source instanceof LayeredMap) return layer(source.base, new Map<K, V | typeof gone>(source.changes))
  if (source !== undefined && source.size >= smallSize) return layer(source, new Map())
  const copy = new Map(source)
  return {
    get: (key) => copy.get(key),
    set: (key, value) => void copy.set(key, value),
    delete: (key) => void copy.delete(key),
    finish: () => copy,
  }
}

function layer<K, V>(base: ReadonlyMap<K, V>, changes: Map<K, V | typeof gone>): MapDraft<K, V> {
  return {
    get: (key) => lookUp(base, changes, key),
    set: (key, value) => void changes.set(key, value),
    delete: (key) => void (base.has(key) ? changes.set(key, gone) : changes.delete(key)),
    finish() {
      const layered = new LayeredMap(base, changes)
      return changes.size > smallSize + 2 * Math.sqrt(base.size) ? new Map(layered) : layered
    },
  }
}

function lookUp<K, V>(base: ReadonlyMap<K, V>, changes: ReadonlyMap<K, V | typeof gone>, key: K): V | undefined {
  const change = changes.get(key)
  if (change === undefined) return base.get(key)
  return change === gone ? undefined : change
}

class LayeredMap<K, V> implements ReadonlyMap<K, V> {
  readonly base: ReadonlyMap<K, V>
  readonly changes: ReadonlyMap<K, V | typeof gone>
  readonly size: number

  constructor(base: ReadonlyMap<K, V>, changes: ReadonlyMap<K, V | typeof gone>) {
    this.base = base
    this.changes = changes
    let size = base.size
    for (const [key, value] of changes) size += Number(value !== gone) - Number(base.has(key))
    this.size = size
  }
  has(key: K): boolean {
    const change = this.changes.get(key)
    return change === undefined ? this.base.has(key) : change !== gone
  }
  get(key: K): V | undefined {
    return lookUp(this.base, this.changes, key)
  }
  *entries(): Generator<[K, V], undefined, unknown> {
    for (const entry of this.base) if (!this.changes.has(entry[0])) yield entry
    for (const [key, value] of this.changes) if (value !== gone) yield [key, value]
  }
  *keys(): Generator<K, undefined, unknown> {
    for (const [key] of this.entries()) yield key
  }
  *values(): Generator<V, undefined, unknown> {
    for (const [, value] of this.entries()) yield value
  }
  [Symbol.iterator](): Generator<[K, V], undefined, unknown> {
    return this.entries()
  }
  forEach(visit: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this.entries()) visit(value, key, this)
  }
}
