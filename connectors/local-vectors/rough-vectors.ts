/**
 * Vectors with a byte for each element: enough to tell quickly which of them may be near a query, since how far each is off is known. They lie by element
 * within blocks, since most elements of a query are zero.
 */
import { blockSlots, blocksOf, type NearnessKernel, openNearnessKernel, type RoughQuery } from './nearness-kernel.ts'

/** Beside what is known of vectors and query, the kernel's 32-bit floats are off by less. */
const roundingError = 2e-6
const largestByte = 127
const largestWeight = 32_767
const largestSum = 2 ** 31 - 1

/** The elements of a query that are not zero. */
export interface Query {
  readonly at: readonly number[]
  readonly values: readonly number[]
  /** Euclidean. */
  readonly length: number
}

/** What is looked for. */
export interface CandidateOptions {
  /** Slots that there are. */
  readonly slots: number
  readonly topK: number
  /** Cosine similarity that they must have. */
  readonly least: number
  /** Whether a slot may be found at all: none whose vector has no direction. */
  readonly accepts: (slot: number) => boolean
}

/** Vectors by slot. */
export interface RoughVectors {
  readonly bytes: number
  /** Sets the vector of a slot, which is at most one more than any before. One without a direction, whose length is 0 or no number, must not be accepted. */
  put(slot: number, vector: Float32Array, length: number): void
  /** Slots among which are those of the `topK` nearest, and few others. */
  candidates(query: Query, options: CandidateOptions): number[]
}

/** No vectors, of so many elements. */
export function roughVectors(dimension: number): RoughVectors {
  const kernels: NearnessKernel[] = []
  const blocksEach = blocksOf(dimension)
  const numbers = new Int8Array(dimension)
  return {
    get bytes() {
      return kernels.reduce((sum, { bytes }) => sum + bytes, 0)
    },
    put(slot, vector, length) {
      const block = Math.floor(slot / blockSlots)
      if (block === kernels.length * blocksEach) kernels.push(openNearnessKernel(dimension))
      const { scale, error } = roughened(vector, length, numbers)
      kernels[Math.floor(block / blocksEach)]!.put(slot % (blocksEach * blockSlots), { numbers, scale, error })
    },
    candidates(query, { slots, topK, least, accepts }) {
      const best = bestOf(topK, least)
      const found: { readonly slot: number; readonly most: number }[] = []
      const rough = roughQuery(query)
      for (const [i, kernel] of kernels.entries()) {
        const first = i * blocksEach * blockSlots
        kernel.find(rough, slots - first, best, (place, most, least) => {
          if (most < best.least || !accepts(first + place)) return
          found.push({ slot: first + place, most })
          best.add(least)
        })
      }
      return found.filter(({ most }) => most >= best.least).map(({ slot }) => slot)
    },
  }
}

/** Fills `numbers`; the vector divided by its length is these times the scale, but for an error of that length. */
function roughened(
  vector: Float32Array,
  length: number,
  numbers: Int8Array,
): { readonly scale: number; readonly error: number } {
  let largest = 0
  for (let i = 0; i < vector.length; i += 1) largest = Math.max(largest, Math.abs(vector[i]!))
  if (!(length > 0 && length < Number.POSITIVE_INFINITY)) {
    numbers.fill(0)
    return { scale: 0, error: 0 } // without a direction
  }
  const step = largest / largestByte
  let squares = 0
  for (let i = 0; i < vector.length; i += 1) {
    const number = Math.round(vector[i]! / step)
    const off = vector[i]! - number * step
    numbers[i] = number
    squares += off * off
  }
  return { scale: step / length, error: Math.sqrt(squares) / length }
}

/** A query in whole numbers, whose sums of products with bytes do not leave 32 bits. */
function roughQuery({ at, values, length }: Query): RoughQuery {
  let [largest, sum] = [0, 0]
  for (const value of values) {
    largest = Math.max(largest, Math.abs(value))
    sum += Math.abs(value)
  }
  const step = Math.max(largest / largestWeight, sum / (largestSum / largestByte - values.length))
  const weights = values.map((value) => Math.round(value / step))
  let [absolute, squares, errors] = [0, 0, 0]
  for (const [i, weight] of weights.entries()) {
    absolute += Math.abs(weight * step)
    squares += (weight * step) ** 2
    errors += (values[i]! - weight * step) ** 2
  }
  return {
    elements: at,
    weights,
    scale: step / length,
    spread: absolute / 2 / length,
    length: Math.sqrt(squares) / length,
    error: Math.sqrt(errors) / length + roundingError,
  }
}

/** The greatest numbers that were added: the one in place `most` is `least`, or what it was to be at the least. */
function bestOf(most: number, least: number) {
  const kept = new Float64Array(2 * most + 32)
  let count = 0
  return {
    least,
    add(number: number): void {
      if (!(number > this.least)) return
      kept[count] = number
      count += 1
      if (count < kept.length) return
      kept.sort()
      kept.copyWithin(0, kept.length - most)
      count = most
      this.least = kept[0]!
    },
  }
}
