/** Vectors for those who ask questions, whatever keeps them. */
import type { EmbedderIdentity } from './embedder-identity.ts'

/**
 * By column, all of them: a value that must be there (in a list: among its elements; text in any case), or the bounds of a number, both included.
 * A vector without the column is not found.
 */
export interface MetadataFilter {
  readonly [column: string]: string | number | { readonly from?: number; readonly to?: number }
}

/** Columns by which vectors are found by name. */
export interface TitleColumns {
  /** Of text: all the titles that a vector goes by. */
  readonly columns: readonly string[]
  /** A number: of several vectors of one title, that with the greatest comes first. */
  readonly mostFirst: string
}

/** What is looked for beside nearness. */
export interface SearchOptions {
  readonly topK: number
  /** Vectors whose title is the text come first, and those whose title has all of its words come early, however near they are. */
  readonly title?: TitleColumns & { readonly text: string }
  /** What is less similar is not found, but by its title. Default none. */
  readonly leastScore?: number
  /** Default all. */
  readonly namespace?: string
  /** Only vectors whose metadata keeps to it. */
  readonly where?: MetadataFilter
  /** Embedder of the query: namespaces of another one are refused. */
  readonly embedder: EmbedderIdentity
  /** One that aborts cancels the search in the store, which rejects with its reason. */
  readonly signal?: AbortSignal | undefined
}

/** A vector that was found, with what was stored beside it. */
export interface Match {
  readonly namespace: string
  readonly id: string
  /** Cosine similarity, -1 to 1. */
  readonly score: number
  /** The columns stored with the vector. */
  readonly metadata: { readonly [column: string]: unknown }
  /** The same in JSON, where the store has it at hand. */
  readonly json?: Uint8Array
}

/** The vectors for those who ask questions. */
export interface VectorStore {
  /**
   * The nearest vectors, best first, ties by namespace and id; with `title`, after those that are found by name. A vector without direction (all zero) finds nothing
   * and is never found.
   * `TABLE_NOT_FOUND` for a namespace, or a store, that does not exist; `SINK_FAILED` for one of another embedder.
   */
  search(vector: Float32Array, options: SearchOptions): Promise<Match[]>
  /** Texts that a column of lists of texts holds, in the order of the alphabet; null where the store cannot tell. */
  texts(column: string): Promise<readonly string[] | null>
  /** Vectors per namespace, by name. Empty before the first commit. */
  counts(): Promise<ReadonlyMap<string, number>>
}
