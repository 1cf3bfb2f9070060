/** A deterministic embedder that needs no model: hashed words and character n-grams. */
import type { Embedder } from '../../engine/embedder.ts'

/** A text of 60 words has some 600 features: in fewer dimensions too many of them meet in one (docs/decisions/023). */
const dimension = 1024

/** Words that say little about a text; they count a tenth. */
const stopWords = new Set(
  (
    'a about after all also an and any are as at back be been before but by can do for from get had has have he her him ' +
    'his how if in into is it its just more must new no not now of off on once one only or other out over own she so ' +
    'some than that the their them then there they this through to two up upon very was way were what when where which ' +
    'while who will with you your'
  ).split(' '),
)

const wordWeight = 1
const stopWordWeight = 0.1
const gramWeight = 0.35

/**
 * Shared vocabulary makes texts similar, word forms through their character n-grams (3 and 4 letters). Case and
 * diacritics do not count. Vectors have length 1; a text without a letter or digit gives all zeros. The same on every
 * machine: only additions, products and square roots of doubles.
 */
export const localEmbedder: Embedder = {
  id: 'local-hash-v2',
  dimension,
  costly: false,
  async embed(texts, { onVectors } = {}) {
    const vectors = texts.map(embedText)
    if (texts.length > 0) onVectors?.({ places: [...texts.keys()], vectors, cached: false })
    return vectors
  },
  embedQuery: async (text) => embedText(text),
  chanceScore(question) {
    const words = new Set([...fold(question).matchAll(/[\p{L}\p{N}]+/gu)].map(([word]) => word))
    const telling = [...words].filter((word) => !stopWords.has(word)).length
    return chance.many + chance.one / Math.sqrt(Math.max(1, telling))
  },
}

/**
 * Features of different words meet in one dimension. Of 4,143 films and 2,000 series the one that is nearest to words that nobody knows is at 0.13 to 0.18 for
 * one word or two, and at 0.12 for many, while those that questions mean are at 0.16 and more.
 */
const chance = { many: 0.1, one: 0.09 }

function embedText(text: string): Float32Array {
  const features = new Map<number, Feature>()
  for (const [word] of fold(text).matchAll(/[\p{L}\p{N}]+/gu)) addWord(features, word)
  const sums = new Float64Array(dimension)
  for (const [hash, { count, weight }] of features) {
    const sign = (hash & 1) === 0 ? 1 : -1
    const bucket = (hash >>> 1) % dimension
    sums[bucket]! += sign * weight * Math.sqrt(count)
  }
  return normalised(sums)
}

/** Lower case, without diacritics: `Amélie` and `amelie` are one. */
function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
}

interface Feature {
  count: number
  readonly weight: number
}

function addWord(features: Map<number, Feature>, word: string): void {
  const stop = stopWords.has(word)
  add(features, hashOf(word, 0, word.length, wordSeed), stop ? stopWordWeight : wordWeight)
  if (stop) return
  const padded = `^${word}$`
  for (let size = 3; size <= 4; size++)
    for (let start = 0; start + size <= padded.length; start++)
      add(features, hashOf(padded, start, start + size, gramSeed), gramWeight)
}

function add(features: Map<number, Feature>, hash: number, weight: number): void {
  const known = features.get(hash)
  if (known === undefined) features.set(hash, { count: 1, weight })
  else known.count += 1
}

const wordSeed = 0x811c9dc5
const gramSeed = 0x01234567

/** FNV-1a over UTF-16 code units, with a final mix so that every bit depends on every unit. */
function hashOf(text: string, start: number, end: number, seed: number): number {
  let hash = seed
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function normalised(sums: Float64Array): Float32Array {
  let squares = 0
  for (const sum of sums) squares += sum * sum
  const length = Math.sqrt(squares)
  const vector = new Float32Array(dimension)
  if (length > 0) for (let i = 0; i < dimension; i += 1) vector[i] = sums[i]! / length
  return vector
}
