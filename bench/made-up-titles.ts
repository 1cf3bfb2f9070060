/** Titles to search in and questions about them, the same every time: texts of some 60 words with the vectors of the local embedder. */
import { Table as ArrowTable, type DataType, Field, Float32, Int64, List, Utf8, vectorFromArray } from 'apache-arrow'
import { localEmbedder } from '../operators/embedders/local.ts'

const nouns =
  'lighthouse storm detective robot garden widow pirate cook astronomer wolf painter train island king'.split(' ')
const verbs = 'loses finds hunts paints repairs follows forgives betrays dreams'.split(' ')
const syllables = 'ba co di fen gar hul im jo kel lor mi nar os pra quin ra sel tor ul ven wis yor zan'.split(' ')
const words = 5_000
const wordsOfText = 60

/** One of so many questions; no two are the same. */
export function question(i: number): string {
  const noun = (n: number) => nouns[n % nouns.length]!
  return `a ${noun(i)} who ${verbs[i % verbs.length]} the ${noun(i * 7 + 3)} of a ${noun(i * 3 + 1)} ${Math.floor(i / 9)}`
}

/** The titles from one number up to another, as the vector sink takes them. */
export async function titles(from: number, to: number): Promise<ArrowTable> {
  const numbers = Array.from({ length: to - from }, (_, i) => from + i)
  const texts = numbers.map(textOf)
  const vectors = await localEmbedder.embed(texts)
  return new ArrowTable({
    id: vectorFromArray(numbers.map(String), new Utf8()),
    embedding: vectorFromArray(vectors, listOf(new Float32())),
    title: vectorFromArray(
      numbers.map((i) => `Title ${i}`),
      new Utf8(),
    ),
    original_title: vectorFromArray(
      numbers.map((i) => `Titel ${i}`),
      new Utf8(),
    ),
    renown: vectorFromArray(
      numbers.map((i) => BigInt(i % 5)),
      new Int64(),
    ),
    year: vectorFromArray(
      numbers.map((i) => BigInt(1900 + (i % 125))),
      new Int64(),
    ),
    genres: vectorFromArray(
      numbers.map((i) => [`Genre ${i % 19}`, `Genre ${i % 7}`]),
      listOf(new Utf8()),
    ),
    text: vectorFromArray(texts, new Utf8()),
  })
}

function listOf<T extends DataType>(type: T): List<T> {
  return new List(new Field('element', type, true))
}

/** A sentence such as questions are about, among words of which a few are frequent and most are rare. */
function textOf(i: number): string {
  const random = randomFrom(i)
  const any = (list: readonly string[]) => list[Math.floor(random() * list.length)]!
  const rest = Array.from({ length: wordsOfText }, () => wordOf(Math.floor(words * random() ** 3)))
  return `A ${any(nouns)} ${any(verbs)} the ${any(nouns)} of a ${any(nouns)}. ${rest.join(' ')}.`
}

function wordOf(number: number): string {
  const word: string[] = []
  for (let left = number + syllables.length; left > 0; left = Math.floor(left / syllables.length))
    word.push(syllables[left % syllables.length]!)
  return word.join('')
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
