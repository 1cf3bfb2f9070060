/** The three kinds of documents that the platform carries, and the names of their topics and tables. */

/** Name of a type in topics, tables and pipelines. */
export type Kind = 'movies' | 'tv_series' | 'people'

/** Every kind. */
export const kinds: readonly Kind[] = ['movies', 'tv_series', 'people']

/** Topic that the raw records of a kind arrive on. */
export function topicOf(kind: Kind): string {
  return `tmdb.${kind}`
}

/** Name of a pipeline: `silver-tv_series`. */
export function pipelineName(layer: string, kind: Kind): string {
  return `${layer}-${kind}`
}

/** What a kind's documents are called in their records: `type` of the envelope. */
export const documentTypes = { movies: 'movie', tv_series: 'tv_series', people: 'person' } as const
