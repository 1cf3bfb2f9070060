/** Vectors of one length in memory, for exact search: by element within blocks, since most elements of a query are zero. Pure. */

const blockSlots = 1024

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
  /** Slots that may be found, by their number; default all. */
  readonly among?: Uint8Array | undefined
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
  describe(id: string, metadata: Uint8Array): void
  /** From one moment to the next: vectors of the ids `gone`, and those that staged ones replace, are no more, and staged ones are there. */
  publish(gone: readonly string[]): void
  /** Forgets what is staged. */
  discard(): void
  /** The slot of a published id. */
  slotOf(id: string): number | undefined
  /** Slots that there are: an upper bound of their numbers. */
  slots(): number
  metadata(slot: number): Uint8Array
  /** Cosine similarity of one vector, as `nearest` gives it; null for one that is all zero. */
  score(vector: Float32Array, slot: number): number | null
  /** The nearest to a vector that is not all zero, best first, ties by id; vectors that are all zero are not found. */
  nearest(vector: Float32Array, options: NearestOptions): Nearest[]
}

/** An empty set. */
export function heldVectors(dimension: number): HeldVectors {
  const blocks: Float32Array[] = []
  const ids: string[] = []
  const lengths: number[] = []
  const beside: Uint8Array[] = []
  let live = new Uint8Array(blockSlots)
  const slotOf = new Map<string, number>()
  const staged = new Map<string, number>()
  const free: number[] = []
  let besideBytes = 0
  const sums = new Float64Array(blockSlots)
  const nothing = new Uint8Array(0)

  function freeSlot(): number {
    const known = free.pop()
    if (known !== undefined) return known
    const slot = ids.length
    if (slot % blockSlots === 0) blocks.push(new Float32Array(dimension * blockSlots))
    if (slot >= live.length) live = grown(live)
    return slot
  }

  function put(slot: number, id: string, vector: Float32Array, at: number): void {
    const block = blocks[Math.floor(slot / blockSlots)]!
    let squares = 0
    for (let i = 0, to = slot % blockSlots; i < dimension; i += 1, to += blockSlots) {
      const element = vector[at + i]!
      block[to] = element
      squares += element * element
    }
    ids[slot] = id
    lengths[slot] = Math.sqrt(squares)
    beside[slot] = nothing
  }

  function drop(slot: number): void {
    live[slot] = 0
    besideBytes -= beside[slot]!.length
    beside[slot] = nothing
    free.push(slot)
  }

  return {
    dimension,
    get size() {
      return slotOf.size
    },
    get bytes() {
      return blocks.length * blockSlots * dimension * Float32Array.BYTES_PER_ELEMENT + besideBytes + ids.length * 600
    },
    stage(names, vectors) {
      for (const [i, id] of names.entries()) {
        const slot = staged.get(id) ?? freeSlot()
        put(slot, id, vectors, i * dimension)
        staged.set(id, slot)
      }
    },
    describe(id, metadata) {
      const slot = staged.get(id)!
      besideBytes += metadata.length - beside[slot]!.length
      beside[slot] = metadata
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
    metadata: (slot) => beside[slot]!,
    score(vector, slot) {
      const block = blocks[Math.floor(slot / blockSlots)]!
      let [sum, squares] = [0, 0]
      for (const [i, value] of vector.entries()) {
        sum += value * block[i * blockSlots + (slot % blockSlots)]!
        squares += value * value
      }
      return lengths[slot] === 0 ? null : Math.fround(sum / (lengths[slot]! * Math.sqrt(squares)))
    },
    nearest(vector, { topK, among }) {
      const query = elementsOf(vector)
      const best = bestOf(Math.max(0, Math.floor(topK)))
      for (const [number, block] of blocks.entries()) {
        const from = number * blockSlots
        const count = Math.min(blockSlots, ids.length - from)
        addProducts(sums, block, query, count)
        for (let i = 0; i < count; i += 1) {
          const slot = from + i
          if (live[slot] === 0 || lengths[slot] === 0 || (among !== undefined && among[slot] !== 1)) continue
          const score = Math.fround(sums[i]! / (lengths[slot]! * query.length))
          if (score >= best.least) best.add(slot, ids[slot]!, score)
        }
      }
      return best.all()
    },
  }
}

function grown(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(bytes.length * 2)
  larger.set(bytes)
  return larger
}

/** The elements of a query that are not zero. */
interface Query {
  readonly at: readonly number[]
  readonly values: readonly number[]
  /** Euclidean. */
  readonly length: number
}

function elementsOf(vector: Float32Array): Query {
  const at: number[] = []
  const values: number[] = []
  let squares = 0
  for (const [i, value] of vector.entries()) {
    if (value === 0) continue
    at.push(i)
    values.push(value)
    squares += value * value
  }
  return { at, values, length: Math.sqrt(squares) }
}

/** Inner products of a query with the first `count` vectors of a block. Four elements at a time: the sums are read and written less often. */
function addProducts(sums: Float64Array, block: Float32Array, { at, values }: Query, count: number): void {
  sums.fill(0, 0, count)
  let next = 0
  for (; next + 4 <= at.length; next += 4) {
    const [a, b, c, d] = [values[next]!, values[next + 1]!, values[next + 2]!, values[next + 3]!]
    const [atA, atB] = [at[next]! * blockSlots, at[next + 1]! * blockSlots]
    const [atC, atD] = [at[next + 2]! * blockSlots, at[next + 3]! * blockSlots]
    for (let i = 0; i < count; i += 1)
      sums[i]! += a * block[atA + i]! + b * block[atB + i]! + (c * block[atC + i]! + d * block[atD + i]!)
  }
  for (; next < at.length; next += 1) {
    const [value, from] = [values[next]!, at[next]! * blockSlots]
    for (let i = 0; i < count; i += 1) sums[i]! += value * block[from + i]!
  }
}

/** The best of what is added, by score and then by id. */
function bestOf(most: number) {
  let found: Nearest[] = []
  let least = Number.NEGATIVE_INFINITY
  const cut = (): void => {
    found = found.sort(byScore).slice(0, most)
    least = found.length === most ? (found.at(-1)?.score ?? Number.POSITIVE_INFINITY) : least
  }
  return {
    /** What scores less need not be added. */
    get least() {
      return least
    },
    add(slot: number, id: string, score: number): void {
      found.push({ slot, id, score })
      if (found.length >= 2 * most + 32) cut()
    },
    all(): Nearest[] {
      cut()
      return found
    },
  }
}

function byScore(a: Nearest, b: Nearest): number {
  return b.score - a.score || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}
