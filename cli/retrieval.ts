/** Titles and people by meaning, and questions answered from them: for whoever asks, on a command line or otherwise. Prints nothing. */
import type { Match, MetadataFilter, SearchOptions, VectorStore } from '../connectors/vectors/store.ts'
import { closestFirst, differences } from '../engine/closest.ts'
import type { Embedder } from '../engine/embedder.ts'
import { MillraceError } from '../engine/errors.ts'
import { withKeptQueries } from '../operators/embedders/kept-queries.ts'
import { kinds } from '../pipelines/entertainment/kinds.ts'
import { titleColumns } from '../pipelines/entertainment/vectors.ts'
import { usageError } from './args.ts'
import { answerFrom, chatEndpoint } from './chat.ts'
import type { Place } from './place.ts'
import { holdVectors, openVectors } from './stores.ts'
import type { Years } from './years.ts'

/** What is looked for. */
export interface RetrievalRequest {
  /** What it shall be about, in anybody's words. */
  readonly text: string
  /** At most so many; default {@link defaultTop}, for a question {@link defaultPassages}. */
  readonly top?: number
  /** Only of this kind: `movies`, `tv_series`, `people`. */
  readonly type?: string
  /** Only of these years, both included. */
  readonly years?: Years
  /** Only of this genre, in upper or lower case. */
  readonly genre?: string
}

/** What a process keeps between searches. */
export interface Kept {
  embedder(): Promise<Embedder>
  vectors(): Promise<VectorStore>
}

/** What a search is made with. */
export interface RetrievalContext {
  /** Ends the search, with its reason. */
  readonly signal?: AbortSignal
  /** Default nothing: all is opened for the one search. */
  readonly kept?: Kept
}

/** For a process that searches again and again: vectors and the last questions stay in memory. */
export function keptFor(place: Place): Kept {
  let embedder: Embedder | null = null
  const vectors = holdVectors(place)
  return {
    vectors: () => vectors,
    async embedder() {
      embedder ??= withKeptQueries(await place.openEmbedder('default'))
      return embedder
    },
  }
}

const defaultTop = 10
const defaultPassages = 6

/**
 * What has the text as its title, then what is called like it or is nearest in meaning, best first. What is no nearer than chance would have it is not
 * found. Errors: `CONFIG_INVALID` for a text without a word, and where nothing has the genre and another one is nearly spelt so; `TABLE_NOT_FOUND` before there is anything
 * to search, a signal's reason once it aborts, `SINK_FAILED` where the vectors are of another embedder than the configured one.
 */
export async function search(
  place: Place,
  request: RetrievalRequest,
  context: RetrievalContext = {},
): Promise<Match[]> {
  if (!/[\p{L}\p{N}]/u.test(request.text)) throw usageError(['the text has no letter and no digit to search for'])
  const { signal, kept = { embedder: () => place.openEmbedder('default'), vectors: () => openVectors(place) } } =
    context
  const [embedder, vectors] = await Promise.all([kept.embedder(), kept.vectors()])
  const vector = await embedder.embedQuery(request.text, signal === undefined ? {} : { signal })
  const options: SearchOptions = {
    topK: request.top ?? defaultTop,
    embedder,
    where: whereOf(request),
    title: { ...titleColumns, text: request.text },
    ...(embedder.chanceScore === undefined ? {} : { leastScore: embedder.chanceScore(request.text) }),
    signal,
    ...(request.type === undefined ? {} : { namespace: request.type }),
  }
  try {
    const found = await vectors.search(vector, options)
    if (found.length === 0 && request.genre !== undefined) await checkGenre(vectors, request.genre)
    return found
  } catch (error) {
    if (isMissing(error) && (await isEmptyKind(vectors, request.type))) return []
    throw error
  }
}

/** Letters by which a genre that was meant may differ. */
const mostWrongLetters = 3

/** Where nothing has the genre, and one is there that is nearly spelt so. */
async function checkGenre(vectors: VectorStore, genre: string): Promise<void> {
  const known = (await vectors.texts('genres')) ?? []
  const [closest] = closestFirst(genre, known)
  if (closest === undefined || known.some((each) => each.toLowerCase() === genre.toLowerCase())) return
  if (differences(genre.toLowerCase(), closest.toLowerCase()) > Math.min(mostWrongLetters, genre.length / 3)) return
  throw usageError([`nothing has the genre ${JSON.stringify(genre)} (did you mean ${closest}?)`])
}

function isMissing(error: unknown): boolean {
  return error instanceof MillraceError && error.code === 'TABLE_NOT_FOUND'
}

/** Whether a kind of the platform has no vectors in a store that has others: nothing is found then, and nothing is wrong. */
async function isEmptyKind(vectors: VectorStore, type: string | undefined): Promise<boolean> {
  if (!kinds.some((kind) => kind === type)) return false
  const counts = await vectors.counts()
  return counts.size > 0 && !counts.has(type!)
}

function whereOf({ years, genre }: RetrievalRequest): MetadataFilter {
  return { ...(years === undefined ? {} : { year: years }), ...(genre === undefined ? {} : { genres: genre }) }
}

/** A text that was found for a question. */
export interface Passage {
  /** By which an answer cites it; the first is 1. */
  readonly number: number
  readonly type: string
  readonly id: string
  readonly title: string | null
  readonly year: number | null
  readonly text: string
  readonly score: number
}

/** What there is to say to a question. */
export interface Answer {
  readonly question: string
  /** Of the configured model; null where there is none, or nothing was found that it could answer from. */
  readonly answer: string | null
  /** Numbers of passages that the answer cites, in ascending order. */
  readonly citations: readonly number[]
  /** Numbers that it cites and that no passage has: what they shall prove is made up. */
  readonly unknownCitations: readonly number[]
  /** The nearest first. */
  readonly passages: readonly Passage[]
}

/**
 * Finds passages and has the configured model answer from them. Errors: those of {@link search}; `MODEL_UNREACHABLE`, `MODEL_REFUSED`,
 * `MODEL_FAILED`.
 */
export async function ask(place: Place, request: RetrievalRequest, context: RetrievalContext = {}): Promise<Answer> {
  const question = request.text
  const passages = (await search(place, { ...request, top: request.top ?? defaultPassages }, context)).map(passageOf)
  if (place.chat === null || passages.length === 0)
    return { question, answer: null, citations: [], unknownCitations: [], passages }
  const answer = await answerFrom(
    chatEndpoint(place.chat, place),
    place.chat.model,
    { question, passages },
    context.signal,
  )
  return { question, answer, ...citationsIn(answer, passages), passages }
}

function passageOf({ namespace, id, score, metadata }: Match, index: number): Passage {
  const { title, year, text } = metadata
  return {
    number: index + 1,
    type: namespace,
    id,
    title: typeof title === 'string' ? title : null,
    year: typeof year === 'number' || typeof year === 'bigint' ? Number(year) : null,
    text: typeof text === 'string' ? text : '',
    score,
  }
}

/** `[2]` and `[1, 3]`. */
function citationsIn(answer: string, passages: readonly Passage[]): Pick<Answer, 'citations' | 'unknownCitations'> {
  const cited = new Set<number>()
  for (const [, numbers] of answer.matchAll(/\[\s*(\d{1,6}(?:\s*[,;]\s*\d{1,6})*)\s*\]/g))
    for (const number of numbers!.split(/[,;]/)) cited.add(Number(number))
  const ascending = [...cited].sort((a, b) => a - b)
  const known = (number: number) => number >= 1 && number <= passages.length
  return { citations: ascending.filter(known), unknownCitations: ascending.filter((number) => !known(number)) }
}
