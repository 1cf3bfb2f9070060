/** One line of a bench's output. */
export interface BenchResult {
  readonly bench: string
  /** Of the measure to `JSON.parse` of the same bytes in this run; bigger is better. */
  readonly ratio?: number
  readonly [figure: string]: unknown
}
