import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../engine/clock.ts'
import type { EmbeddedPart, Embedder } from '../../engine/embedder.ts'
import { cachedEmbedder } from './cached.ts'
import { openVectorCache, type VectorCache } from './vector-cache.ts'

let dir: string
let cache: VectorCache
/** Texts that the embedder was asked for. */
let asked: string[]
/** Text at which it fails. */
let failsAt: string | null

const model: Embedder = {
  id: 'lengths',
  dimension: 1,
  costly: true,
  async embed(texts, { onVectors } = {}) {
    return texts.map((text, place) => {
      if (text === failsAt) throw new Error('out of order')
      asked.push(text)
      const vector = Float32Array.of(text.length)
      onVectors?.({ places: [place], vectors: [vector], cached: false })
      return vector
    })
  },
  embedQuery: async (text) => Float32Array.of(text.length),
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-cached-'))
  cache = await openVectorCache({ dir, embedder: model, limitBytes: 2 ** 30, clock: systemClock })
  asked = []
  failsAt = null
})
afterEach(() => {
  cache.close()
  rmSync(dir, { recursive: true, force: true })
})

test('a text is embedded once, in one call and in all calls; vectors come in the order of the texts', async () => {
  const embedder = cachedEmbedder(model, cache)
  expect(await embedder.embed(['aa', 'b', 'aa'])).toEqual([2, 1, 2].map((n) => Float32Array.of(n)))
  expect(await embedder.embed(['ccc', 'b', 'aa', 'ccc'])).toEqual([3, 1, 2, 3].map((n) => Float32Array.of(n)))
  expect(asked).toEqual(['aa', 'b', 'ccc'])
})

test('every place is told of once, with where its vector came from', async () => {
  const embedder = cachedEmbedder(model, cache)
  await embedder.embed(['aa'])
  const parts: EmbeddedPart[] = []
  await embedder.embed(['aa', 'b', 'b', 'aa'], { onVectors: (part) => parts.push(part) })
  const told = parts.flatMap(({ places, vectors, cached }) =>
    places.map((place, i) => [place, vectors[i]![0], cached] as const),
  )
  expect(told.sort(([a], [b]) => a - b)).toEqual([
    [0, 2, true],
    [1, 1, false],
    [2, 1, false],
    [3, 2, true],
  ])
})

test('what a call made before it failed is not made again', async () => {
  const embedder = cachedEmbedder(model, cache)
  failsAt = 'ccc'
  await expect(embedder.embed(['aa', 'b', 'ccc', 'dddd'])).rejects.toThrow('out of order')
  failsAt = null
  await embedder.embed(['aa', 'b', 'ccc', 'dddd'])
  expect(asked).toEqual(['aa', 'b', 'ccc', 'dddd'])
})
