import fc from 'fast-check'
import { expect, test } from 'vitest'
import { heldVectors } from './held-vectors.ts'
import { roughVectors } from './rough-vectors.ts'

/** Numbers from -1 to 1 that follow from a seed. */
function numbersFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return state / 2 ** 31
  }
}

interface Kind {
  /** Share of the elements that are not zero. */
  readonly share: number
  /** What the elements are multiplied by. */
  readonly size: number
}

function vectorOf(dimension: number, { share, size }: Kind, random: () => number): Float32Array {
  return Float32Array.from({ length: dimension }, () => (Math.abs(random()) < share ? random() * size : 0))
}

/** The nearest by plain sums. */
function nearestOf(vectors: ReadonlyMap<string, Float32Array>, query: Float32Array, topK: number, least: number) {
  const lengthOf = (vector: Float32Array) => Math.sqrt(vector.reduce((sum, each) => sum + each * each, 0))
  return [...vectors]
    .filter(([, vector]) => vector.some((each) => each !== 0))
    .map(([id, vector]) => {
      const product = vector.reduce((sum, each, i) => sum + each * query[i]!, 0)
      return { id, score: product / (lengthOf(vector) * lengthOf(query)) }
    })
    .filter(({ score }) => score >= least)
    .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
    .slice(0, topK)
}

const kinds: fc.Arbitrary<Kind> = fc.record({
  share: fc.constantFrom(1, 0.4, 0.05),
  size: fc.constantFrom(1, 1e-30, 1e18, 1e-44),
})

test('law: the nearest are those of plain sums, whatever the vectors are like, and however many blocks they fill', () => {
  fc.assert(
    fc.property(
      fc.record({
        dimension: fc.integer({ min: 1, max: 40 }),
        count: fc.constantFrom(1, 9, 700, 9_000),
        stored: kinds,
        asked: kinds,
        topK: fc.constantFrom(0, 1, 10, 1_000),
        least: fc.constantFrom(Number.NEGATIVE_INFINITY, 0.3),
        seed: fc.integer(),
      }),
      ({ dimension, count, stored, asked, topK, least, seed }) => {
        const random = numbersFrom(seed)
        const all = new Map(
          Array.from({ length: count }, (_, i) => [`${i}`, vectorOf(dimension, stored, random)] as const),
        )
        const held = heldVectors(dimension)
        for (const [id, vector] of all) held.stage([id], vector)
        held.publish([])
        const query = vectorOf(dimension, asked, random)
        fc.pre(query.some((each) => each !== 0))
        const wanted = nearestOf(all, query, count, least)
        const found = held.nearest(query, { topK, least })
        expect(found).toHaveLength(Math.min(topK, wanted.length))
        for (const [i, { score }] of found.entries()) expect(score).toBeCloseTo(wanted[i]!.score, 6)
        for (const { id, score, slot } of found) {
          expect(held.slotOf(id)).toBe(slot)
          expect(score).toBe(held.score(query, slot))
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('few vectors beside the nearest are looked at exactly', () => {
  const [dimension, count, topK, random] = [384, 20_000, 10, numbersFrom(7)]
  const rough = roughVectors(dimension)
  const lengths: number[] = []
  for (let slot = 0; slot < count; slot += 1) {
    const vector = vectorOf(dimension, { share: 1, size: 1 }, random)
    lengths.push(Math.hypot(...vector))
    rough.put(slot, vector, lengths[slot]!)
  }
  const values = [...vectorOf(dimension, { share: 1, size: 1 }, random)]
  const query = { at: [...values.keys()], values, length: Math.hypot(...values) }
  const found = rough.candidates(query, { slots: count, topK, least: -1, accepts: () => true })
  expect(found.length).toBeGreaterThanOrEqual(topK)
  expect(found.length).toBeLessThan(count / 50)
})

test('a vector with an element that is no number is never found, and hides no other', () => {
  const held = heldVectors(3)
  held.stage(['nan', 'infinite', 'good'], Float32Array.of(1, Number.NaN, 0, Number.POSITIVE_INFINITY, 1, 1, 1, 1, 0))
  held.publish([])
  expect(held.nearest(Float32Array.of(1, 1, 0), { topK: 3 }).map(({ id }) => id)).toEqual(['good'])
})

test('slots that were freed are taken again, and what they held is not found any more', () => {
  const held = heldVectors(2)
  held.stage(['a', 'b'], Float32Array.of(1, 0, 0, 1))
  held.publish([])
  held.stage(['c'], Float32Array.of(-1, 0))
  held.publish(['a'])
  held.stage(['d'], Float32Array.of(1, 1))
  expect(held.nearest(Float32Array.of(1, 0), { topK: 9 }).map(({ id }) => id)).toEqual(['b', 'c'])
  held.publish([])
  expect(held.nearest(Float32Array.of(1, 0), { topK: 9 }).map(({ id }) => id)).toEqual(['d', 'b', 'c'])
  expect(held.slots()).toBe(3)
})
