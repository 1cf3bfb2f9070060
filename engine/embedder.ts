/** Text to vectors. */
export interface Embedder {
  /**
   * Names everything that vectors depend on: model, its version, how numbers are kept, dimension, what is put before texts. Vectors
   * of different ids are never compared.
   */
  readonly id: string
  /** Length of every vector. */
  readonly dimension: number
  /** Whether a vector costs much more than looking it up: such vectors are kept, so that no text is embedded twice. */
  readonly costly: boolean
  /** One vector per text, in order, as it is stored; the same text always gives the same vector. */
  embed(texts: readonly string[], options?: EmbedRun): Promise<Float32Array[]>
  /** The vector of a question, to compare with those of texts: some models want questions marked as such. */
  embedQuery(text: string, options?: Pick<EmbedRun, 'signal'>): Promise<Float32Array>
  /** Cosine similarity that a text may have with a question by mere chance: what is not above it is no answer. Where it is missing nobody knows. */
  chanceScore?(question: string): number
}

/** One call of {@link Embedder.embed}. */
export interface EmbedRun {
  /** Ends the call. */
  readonly signal?: AbortSignal
  /** Told of vectors as soon as they are there, in any order, each once; a call that fails later has told of those that it made. */
  readonly onVectors?: (part: EmbeddedPart) => void
}

/** Some of the vectors of a call. */
export interface EmbeddedPart {
  /** Places of the texts in the call. */
  readonly places: readonly number[]
  /** Their vectors, in the same order. */
  readonly vectors: readonly Float32Array[]
  /** Whether they were kept from earlier. */
  readonly cached: boolean
}

/** How many texts became vectors. */
export interface EmbeddingCounts {
  /** By the embedder. */
  readonly computed: number
  /** From what was kept. */
  readonly cached: number
}
