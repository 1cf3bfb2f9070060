/** Vectors of one length in memory, for exact search: what may be near is found by rough ones, and how near it is by themselves. */
import { type Query, roughVectors } from './rough-vectors.ts'

const blockSlots = 256

/** Of ids, titles and the objects of what is kept beside vectors, roughly. */
const bytesPerId = 800

/** The least that so many vectors take, with nothing beside them. */
export function leastBytesOf(vectors: number, dimension: number): number {
  return vectors * (dimension * (Float32Array.BYTES_PER_ELEMENT + Int8Array.BYTES_PER_ELEMENT) + bytesPerId)
}

const nothing: Beside = { metadata: new Uint8Array(0), json: new Uint8Array(0) }

/** A vector that was found. */
export interface Nearest {
  readonly slot: number
  readonly id: string
  /** Cosine similarity, as a 32-bit float. */
  readonly score: number
}

/** What a vector must be to be found. */
export interface NearestOptions {
  readonly topK: number
  /** Cosine similarity of those that are found; default any. */
  readonly least?: number
  /** Slots that may be found, by their number; default all. */
  readonly among?: Uint8Array | undefined
}

/** What is kept beside a vector, in two forms. */
export interface Beside {
  /** As it was stored, serialized. */
  readonly metadata: Uint8Array
  readonly json: Uint8Array
}

/** A set of vectors by id. What is staged is found by nobody before it is published. */
export interface HeldVectors {
  readonly dimension: number
  /** Vectors that are published. */
  readonly size: number
  /** Of everything that is held, roughly. */
  readonly bytes: number
  /** Keeps vectors that lie behind one another, with nothing beside them yet. */
  stage(ids: readonly string[], vectors: Float32Array): void
  /** What is kept beside a staged vector. */
  describe(id: string, beside: Beside): void
  /** From one moment to the next: vectors of the ids `gone`, and those that staged ones replace, are no more, and staged ones are there. */
  publish(gone: readonly string[]): void
  /** Forgets what is staged. */
  discard(): void
  /** The slot of a published id. */
  slotOf(id: string): number | undefined
  /** Slots that there are: an upper bound of their numbers. */
  slots(): number
  beside(slot: number): Beside
  /** Cosine similarity of one vector, as `nearest` gives it; null for one that is all zero. */
  score(vector: Float32Array, slot: number): number | null
  /** The nearest to a vector that is not all zero, best first, ties by id; vectors that are all zero, or not of numbers, are not found. */
  nearest(vector: Float32Array, options: NearestOptions): Nearest[]
}

/** An empty set. */
export function heldVectors(dimension: number): HeldVectors {
  const rough = roughVectors(dimension)
  const blocks: Float32Array[] = []
  const ids: string[] = []
  const lengths: number[] = []
  const beside: Beside[] = []
  let live = new Uint8Array(blockSlots)
  const slotOf = new Map<string, number>()
  const staged = new Map<string, number>()
  const free: number[] = []
  let besideBytes = 0
  const bytesOf = ({ metadata, json }: Beside): number => metadata.length + json.length

  function freeSlot(): number {
    const known = free.pop()
    if (known !== undefined) return known
    const slot = ids.length
    if (slot % blockSlots === 0) blocks.push(new Float32Array(dimension * blockSlots))
    if (slot >= live.length) live = grown(live)
    return slot
  }

  function rowOf(slot: number): Float32Array {
    const from = (slot % blockSlots) * dimension
    return blocks[Math.floor(slot / blockSlots)]!.subarray(from, from + dimension)
  }

  function put(slot: number, id: string, vector: Float32Array): void {
    rowOf(slot).set(vector)
    let squares = 0
    for (let i = 0; i < dimension; i += 1) squares += vector[i]! * vector[i]!
    ids[slot] = id
    lengths[slot] = Math.sqrt(squares)
    beside[slot] = nothing
    rough.put(slot, vector, lengths[slot])
  }

  /** Null for one that is all zero. */
  function scoreOf({ at, values, length }: Query, slot: number): number | null {
    if (lengths[slot] === 0) return null
    const block = blocks[Math.floor(slot / blockSlots)]!
    const from = (slot % blockSlots) * dimension
    let sum = 0
    for (let i = 0; i < at.length; i += 1) sum += values[i]! * block[from + at[i]!]!
    return Math.fround(sum / (lengths[slot]! * length))
  }

  function drop(slot: number): void {
    live[slot] = 0
    besideBytes -= bytesOf(beside[slot]!)
    beside[slot] = nothing
    free.push(slot)
  }

  return {
    dimension,
    get size() {
      return slotOf.size
    },
    get bytes() {
      const elements = blocks.length * blockSlots * dimension
      return elements * Float32Array.BYTES_PER_ELEMENT + rough.bytes + besideBytes + ids.length * bytesPerId
    },
    stage(names, vectors) {
      for (const [i, id] of names.entries()) {
        const slot = staged.get(id) ?? freeSlot()
        put(slot, id, vectors.subarray(i * dimension, (i + 1) * dimension))
        staged.set(id, slot)
      }
    },
    describe(id, told) {
      const slot = staged.get(id)!
      besideBytes += bytesOf(told) - bytesOf(beside[slot]!)
      beside[slot] = told
    },
    publish(gone) {
      for (const id of [...gone, ...staged.keys()]) {
        const slot = slotOf.get(id)
        if (slot !== undefined) drop(slot)
        slotOf.delete(id)
      }
      for (const [id, slot] of staged) {
        live[slot] = 1
        slotOf.set(id, slot)
      }
      staged.clear()
    },
    discard() {
      for (const slot of staged.values()) drop(slot)
      staged.clear()
    },
    slotOf: (id) => slotOf.get(id),
    slots: () => ids.length,
    beside: (slot) => beside[slot]!,
    score: (vector, slot) => scoreOf(elementsOf(vector), slot),
    nearest(vector, { topK, least = Number.NEGATIVE_INFINITY, among }) {
      const query = elementsOf(vector)
      const most = Math.max(0, Math.floor(topK))
      const accepts = (slot: number) =>
        live[slot] === 1 &&
        lengths[slot]! > 0 &&
        lengths[slot]! < Number.POSITIVE_INFINITY &&
        (among === undefined || among[slot] === 1)
      return rough
        .candidates(query, { slots: ids.length, topK: most, least, accepts })
        .map((slot) => ({ slot, id: ids[slot]!, score: scoreOf(query, slot)! }))
        .filter(({ score }) => score >= least)
        .sort(byScore)
        .slice(0, most)
    },
  }
}

function grown(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(bytes.length * 2)
  larger.set(bytes)
  return larger
}

/** The elements of a query that are not zero. */
function elementsOf(vector: Float32Array): Query {
  const at: number[] = []
  const values: number[] = []
  let squares = 0
  for (let i = 0; i < vector.length; i += 1) {
    const value = vector[i]!
    if (value === 0) continue
    at.push(i)
    values.push(value)
    squares += value * value
  }
  return { at, values, length: Math.sqrt(squares) }
}

function byScore(a: Nearest, b: Nearest): number {
  return b.score - a.score || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}
