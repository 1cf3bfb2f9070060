/** An embedder behind an endpoint that speaks OpenAI's embeddings protocol. */
import type { EmbeddedPart, Embedder } from '../../engine/embedder.ts'
import { MillraceError } from '../../engine/errors.ts'
import { type ModelEndpoint, postToModel, wrongAnswer } from '../model-endpoint.ts'
import { type HttpEmbedderSettings, prefixesIn } from './settings.ts'

/** What a request may hold, and how many are under way at once. */
export interface HttpEmbedderLimits {
  readonly texts: number
  /** UTF-16 code units; a longer text goes alone. */
  readonly characters: number
  readonly requests: number
}

/** Whoever opens an embedder has patience of his own, and whoever asks a question waits for it. */
const impatient = { attempts: 2 }

const defaultLimits: HttpEmbedderLimits = { texts: 64, characters: 100_000, requests: 4 }

export interface HttpEmbedderOptions extends Pick<ModelEndpoint, 'clock' | 'ids' | 'deadlineMs' | 'attempts'> {
  readonly settings: HttpEmbedderSettings
  readonly limits?: HttpEmbedderLimits
}

/**
 * Asks the endpoint once what its vectors are like, so that wrong settings are refused before anything is read. Errors: those of
 * {@link postToModel}; `CONFIG_INVALID` for another dimension than the configured one.
 */
export async function openHttpEmbedder(options: HttpEmbedderOptions): Promise<Embedder> {
  const { settings } = options
  const [vector] = await requestVectors({ ...endpointOf(options), ...impatient }, settings, ['dimension'])
  const { length } = vector!
  if (settings.dimension !== null && settings.dimension !== length) throw otherDimension(settings, length)
  return httpEmbedder(options, length)
}

/**
 * An embedder of which the dimension is known already: sends nothing yet. A text that the endpoint finds too long is cut until it takes
 * it, as the tokenizer of a model would.
 */
export function httpEmbedder(options: HttpEmbedderOptions, dimension: number): Embedder {
  const { settings, limits = defaultLimits } = options
  const endpoint = endpointOf(options)
  async function vectorsOf(texts: readonly string[], signal?: AbortSignal, by = endpoint): Promise<Float32Array[]> {
    const vectors = await requestVectors(by, settings, texts, signal)
    for (const { length } of vectors) if (length !== dimension) throw otherDimension({ ...settings, dimension }, length)
    return vectors
  }
  /** Tells `made` of each request's vectors; a request that is refused for its texts is sent again in halves. */
  async function embedAll(
    texts: readonly Placed[],
    signal: AbortSignal,
    made: (part: EmbeddedPart) => void,
  ): Promise<void> {
    let vectors: Float32Array[]
    try {
      vectors = await vectorsOf(
        texts.map(({ text }) => text),
        signal,
      )
    } catch (error) {
      if (!refusesTexts(error)) throw error
      for (const half of halvesOf(texts, error)) await embedAll(half, signal, made)
      return
    }
    made({ places: texts.map(({ place }) => place), vectors, cached: false })
  }
  return {
    id: `openai:${settings.modelId}:${dimension}${prefixesIn(settings)}`,
    dimension,
    costly: true,
    async embed(texts, { signal, onVectors } = {}) {
      const found = new Array<Float32Array>(texts.length)
      const placed = texts.map((text, place) => ({ place, text: settings.textPrefix + text }))
      await eachAtMost(limits.requests, cut(placed, limits), signal, (part, either) =>
        embedAll(part, either, (made) => {
          for (const [i, place] of made.places.entries()) found[place] = made.vectors[i]!
          onVectors?.(made)
        }),
      )
      return found
    },
    async embedQuery(text, { signal } = {}) {
      const [vector] = await vectorsOf([settings.queryPrefix + text], signal, { ...endpoint, ...impatient })
      return vector!
    },
  }
}

/** A text with its prefix, and its place in the call. */
interface Placed {
  readonly place: number
  readonly text: string
}

/** A text of so many UTF-16 code units is too long for no model. */
const shortEnough = 500

/** Bad request, too large, cannot be processed: the settings are right, since others were answered. */
function refusesTexts(error: unknown): error is MillraceError {
  return error instanceof MillraceError && [400, 413, 422].includes(Number(error.context.status))
}

function halvesOf(texts: readonly Placed[], error: MillraceError): Placed[][] {
  const middle = texts.length >> 1
  if (middle > 0) return [texts.slice(0, middle), texts.slice(middle)]
  const { place, text } = texts[0]!
  if (text.length <= shortEnough)
    throw new MillraceError(error.code, `${error.message} (for the text ${JSON.stringify(text.slice(0, 80))})`, {
      context: error.context,
      cause: error,
    })
  const half = text.slice(0, text.length >> 1).replace(/[\uD800-\uDBFF]$/, '')
  return [[{ place, text: half }]]
}

function endpointOf({ settings, ...rest }: HttpEmbedderOptions): ModelEndpoint {
  const { url, apiKey } = settings
  return { ...rest, url, apiKey, name: 'embedding endpoint', settings: 'EMBEDDING' }
}

/** Texts, a request's worth at a time. */
function cut(texts: readonly Placed[], limits: HttpEmbedderLimits): Placed[][] {
  const parts: Placed[][] = []
  let characters = 0
  for (const each of texts) {
    const last = parts.at(-1)
    const { length } = each.text
    if (last === undefined || last.length >= limits.texts || characters + length > limits.characters) {
      parts.push([each])
      characters = length
    } else {
      last.push(each)
      characters += length
    }
  }
  return parts
}

/** Runs `work` on every part, a few at a time; the first failure ends those under way, and is thrown once they have ended. */
async function eachAtMost<T>(
  most: number,
  parts: readonly T[],
  signal: AbortSignal | undefined,
  work: (part: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController()
  const either = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal])
  let next = 0
  let failure: { readonly error: unknown } | null = null
  const worker = async () => {
    while (next < parts.length && failure === null) {
      const part = parts[next]!
      next += 1
      try {
        await work(part, either)
      } catch (error) {
        failure ??= { error }
        failed.abort()
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(most, parts.length) }, worker))
  if (failure !== null) throw (failure as { readonly error: unknown }).error
}

async function requestVectors(
  endpoint: ModelEndpoint,
  { modelId, dimension }: HttpEmbedderSettings,
  input: readonly string[],
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const body = { model: modelId, input, ...(dimension === null ? {} : { dimensions: dimension }) }
  const answer = await postToModel(endpoint, '/embeddings', body, signal)
  return inOrder(endpoint, answer, input.length)
}

/** The vectors of an answer, in the order of the texts, which `index` tells. */
function inOrder(endpoint: ModelEndpoint, answer: unknown, count: number): Float32Array[] {
  const data = (answer as { data?: unknown } | null)?.data
  if (!Array.isArray(data) || data.length !== count)
    throw wrongAnswer(endpoint, `has ${Array.isArray(data) ? data.length : 'no'} vectors for ${count} texts`)
  const vectors = new Array<Float32Array | undefined>(count).fill(undefined)
  for (const [place, each] of data.entries()) {
    const { index = place, embedding } = (each ?? {}) as { index?: unknown; embedding?: unknown }
    if (typeof index !== 'number' || !(index in vectors) || vectors[index] !== undefined)
      throw wrongAnswer(endpoint, 'names no text, or one twice, by "index"')
    if (!Array.isArray(embedding) || !embedding.every((value) => Number.isFinite(value)) || embedding.length === 0)
      throw wrongAnswer(endpoint, 'holds a vector that is no list of numbers')
    vectors[index] = Float32Array.from(embedding as number[])
  }
  return vectors as Float32Array[]
}

function otherDimension({ url, modelId, dimension }: HttpEmbedderSettings, length: number): MillraceError {
  const problem = `EMBEDDING_DIMENSION: ${modelId} at ${url} gives vectors of ${length} dimensions, not ${dimension}`
  return new MillraceError('CONFIG_INVALID', problem, { problems: [problem] })
}
