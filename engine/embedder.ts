/** Text to vectors. */
export interface Embedder {
  /** Names model and version: vectors of different ids are never compared. */
  readonly id: string
  /** Length of every vector. */
  readonly dimension: number
  /** One vector per text, in order; the same text always gives the same vector. */
  embed(texts: readonly string[]): Promise<Float32Array[]>
}
