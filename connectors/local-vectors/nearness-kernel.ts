/** The kernel that finds which vectors may be near a query, and what lies in its memory: the query, its findings, and the vectors in blocks. */
import { readFileSync } from 'node:fs'

/** Vectors of a block, and bytes of a column. Columns of a power of two would share few lines of the processor's caches. */
export const blockSlots = 8256

/** A vector of length 1: whole numbers times `scale`, but for an error of that Euclidean length. */
export interface RoughVector {
  readonly numbers: Int8Array
  readonly scale: number
  readonly error: number
}

/** A query of length 1: at some of its elements, whole numbers times `scale`. No sum of their products with bytes leaves 32 bits. */
export interface RoughQuery {
  readonly elements: readonly number[]
  readonly weights: readonly number[]
  readonly scale: number
  /** Half the sum of the absolute elements: the most that a rounded number of each counts. */
  readonly spread: number
  /** Euclidean length of the whole numbers times the scale, by which a vector's error counts. */
  readonly length: number
  /** What a nearness is off by, whatever the vector. */
  readonly error: number
}

/** A kernel with its vectors, as many as {@link blocksOf} says. */
export interface NearnessKernel {
  readonly bytes: number
  /** Sets the vector at a place, which is at most one more than any before. */
  put(place: number, vector: RoughVector): void
  /**
   * Tells of all of the first `count` vectors whose cosine similarity to the query may be `wanted.least`, and of some others: what it is at most, and at least. What is wanted may become more
   * meanwhile.
   */
  find(
    query: RoughQuery,
    count: number,
    wanted: { readonly least: number },
    tell: (place: number, most: number, least: number) => void,
  ): void
}

/** What `kernel/index.ts` exports. */
interface KernelExports {
  readonly memory: WebAssembly.Memory
  setUp(columns: number, weights: number, products: number, places: number, bounds: number): void
  multiply(block: number, count: number, groups: number): void
  select(
    ...parameters: [
      ...where: [scales: number, errors: number, from: number, to: number],
      ...query: [scale: number, spread: number, length: number, error: number],
      least: number,
    ]
  ): number
}

const pageBytes = 65_536
/** A kernel's memory ends at 4 GiB. */
const mostBytes = 2 ** 31
/** Elements of a query are multiplied so many at a time, and so many vectors. */
const groupElements = 8
const groupVectors = 8
/** After so many vectors what is wanted is looked at again. A multiple of 4. */
const selectedAtOnce = 256

let module: WebAssembly.Module | null = null

/** How many blocks of vectors of so many elements a kernel has room for. */
export function blocksOf(dimension: number): number {
  return Math.max(1, Math.floor(mostBytes / blockBytes(dimension)))
}

/** Columns, and scale and error of each vector. */
function blockBytes(dimension: number): number {
  return blockSlots * (dimension + 2 * Float32Array.BYTES_PER_ELEMENT)
}

/** A kernel without vectors. */
export function openNearnessKernel(dimension: number): NearnessKernel {
  module ??= new WebAssembly.Module(readFileSync(new URL('./kernel/nearness.wasm', import.meta.url)))
  const kernel = new WebAssembly.Instance(module).exports as unknown as KernelExports
  const elements = Math.ceil(dimension / groupElements) * groupElements
  let end = 1024 // behind the kernel's own data
  const reserve = (bytes: number): number => {
    const at = end
    end += Math.ceil(bytes / 64) * 64
    return at
  }
  const [columnsAt, weightsAt] = [reserve(elements * 4), reserve(elements * 2)]
  const [placesAt, boundsAt] = [reserve(selectedAtOnce * 4), reserve(selectedAtOnce * 4)]
  kernel.setUp(columnsAt, weightsAt, reserve(blockSlots * 4), placesAt, boundsAt)
  const blocksAt: number[] = []
  let views = viewsOf(kernel.memory)

  function addBlock(): void {
    const wanted = Math.ceil((end + blockBytes(dimension) + 64) / pageBytes)
    kernel.memory.grow(Math.max(0, wanted - kernel.memory.buffer.byteLength / pageBytes)) // or throws, and nothing has changed
    blocksAt.push(reserve(blockBytes(dimension)))
    views = viewsOf(kernel.memory)
  }

  const scalesAt = (blockAt: number) => blockAt + dimension * blockSlots
  const errorsAt = (blockAt: number) => scalesAt(blockAt) + 4 * blockSlots

  return {
    get bytes() {
      return blocksAt.length * blockBytes(dimension)
    },
    put(place, { numbers, scale, error }) {
      const [block, column] = [Math.floor(place / blockSlots), place % blockSlots]
      if (block === blocksAt.length) addBlock()
      const at = blocksAt[block]!
      for (let i = 0, to = at + column; i < dimension; i += 1, to += blockSlots) views.bytes[to] = numbers[i]!
      views.floats[scalesAt(at) / 4 + column] = scale
      views.floats[errorsAt(at) / 4 + column] = error
    },
    find({ elements, weights, scale, spread, length, error }, count, wanted, tell) {
      const groups = Math.ceil(elements.length / groupElements)
      const { words, halves, floats } = views
      for (let i = 0; i < groups * groupElements; i += 1) {
        words[columnsAt / 4 + i] = (elements[i] ?? 0) * blockSlots
        halves[weightsAt / 2 + i] = weights[i] ?? 0
      }
      for (const [block, at] of blocksAt.entries()) {
        const vectors = Math.min(count - block * blockSlots, blockSlots)
        if (vectors <= 0) return
        kernel.multiply(at, Math.ceil(vectors / groupVectors) * groupVectors, groups)
        const [ownScalesAt, ownErrorsAt] = [scalesAt(at), errorsAt(at)]
        for (let from = 0; from < vectors; from += selectedAtOnce) {
          const where = [ownScalesAt, ownErrorsAt, from, Math.min(vectors, from + selectedAtOnce)] as const
          const found = kernel.select(...where, scale, spread, length, error, wanted.least)
          for (let i = 0; i < found; i += 1) {
            const place = words[placesAt / 4 + i]!
            const most = floats[boundsAt / 4 + i]!
            const off = Math.min(floats[ownScalesAt / 4 + place]! * spread, floats[ownErrorsAt / 4 + place]! * length)
            tell(block * blockSlots + place, most, most - 2 * (off + error))
          }
        }
      }
    },
  }
}

function viewsOf({ buffer }: WebAssembly.Memory) {
  return {
    bytes: new Int8Array(buffer),
    halves: new Int16Array(buffer),
    words: new Int32Array(buffer),
    floats: new Float32Array(buffer),
  }
}
