/** What happens to TMDB's documents, and the topics that tell of it. */

/** A TMDB document as `JSON.parse` gives it, in TMDB's own spelling. */
export type TmdbDocument = Readonly<Record<string, unknown>>

/** What a document is of. */
export type DocumentType = 'movie' | 'tv_series' | 'person'

/** `old`: of an initial load. `new`: first seen later. `change`: another version of what was seen. */
export type Label = 'old' | 'new' | 'change'

interface EventBase {
  /** Event time, milliseconds since 1970. */
  readonly timestampMs: number
  readonly type: DocumentType
  readonly id: bigint
}

/** A document added (`A`), changed (`M`) or deleted (`D`). */
export type TmdbEvent =
  | (EventBase & { readonly op: 'A' | 'M'; readonly label: Label; readonly doc: TmdbDocument })
  | (EventBase & { readonly op: 'D' })

/** Every label. */
export const labels: readonly Label[] = ['old', 'new', 'change']

/** The topic that carries documents of a type. */
export const topics: Readonly<Record<DocumentType, string>> = {
  movie: 'tmdb.movies',
  tv_series: 'tmdb.tv_series',
  person: 'tmdb.people',
}

/** Whether an outside value names a type of document. */
export function isDocumentType(value: unknown): value is DocumentType {
  return typeof value === 'string' && Object.hasOwn(topics, value)
}
