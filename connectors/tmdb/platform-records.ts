/** Records of the original platform's collector, as TMDB documents. */
import type { DocumentType, Label, TmdbDocument, TmdbEvent } from './event.ts'
import { labels } from './event.ts'
import { integerOf, isObject } from './exact-json.ts'

type Row = Readonly<Record<string, unknown>>

const types: readonly DocumentType[] = ['movie', 'tv_series', 'person']

/** Which of the platform's records an object is, by its id field; null if it is none. */
export function platformTypeOf(record: Row): DocumentType | null {
  return types.find((type) => `${type}_id` in record) ?? null
}

/**
 * `{movie_id, movie_detail, casts_info, crews_info}` and its twins for series and people, where `data_label` and
 * `timestamp` may stand beside them. Casts and crews become the document's `credits`, in their order, with `person_id`
 * as `id`. A detail that is TMDB's answer "not found" means that the document is gone. Returns what is wrong as text.
 */
export function platformEvent(record: Row, type: DocumentType, nowMs: number): TmdbEvent | string {
  const id = integerOf(record[`${type}_id`])
  if (id === null) return `${type}_id is not a whole number of 64 bits: ${JSON.stringify(record[`${type}_id`])}`
  const timestampMs = record.timestamp === undefined ? nowMs : timeOf(record.timestamp)
  if (timestampMs === null) return `timestamp is not ISO 8601 text with a zone: ${JSON.stringify(record.timestamp)}`
  const label = record.data_label ?? 'old'
  if (!isLabel(label)) return `data_label is not one of ${labels.join(', ')}: ${JSON.stringify(label)}`
  const detail = record[`${type}_detail`]
  if (!isObject(detail)) return `${type}_detail is no document: ${JSON.stringify(detail)?.slice(0, 80)}`
  if (detail.success === false) {
    if (detail.status_code === 34) return { timestampMs, op: 'D', type, id }
    return `${type}_detail is TMDB's error ${String(detail.status_code)}: ${String(detail.status_message)}`
  }
  if (detail.id !== undefined && integerOf(detail.id) !== id)
    return `${type}_detail is of id ${JSON.stringify(detail.id)}, the record of ${type}_id ${id}`
  const credits = creditsOf(record)
  if (typeof credits === 'string') return credits
  const doc: TmdbDocument = { ...detail, ...(credits === null ? {} : { credits }) }
  return { timestampMs, op: label === 'change' ? 'M' : 'A', label, type, id, doc }
}

function isLabel(value: unknown): value is Label {
  return labels.some((label) => label === value)
}

function timeOf(value: unknown): number | null {
  if (typeof value !== 'string' || !/T.*(Z|[+-]\d\d:?\d\d)$/.test(value)) return null
  const ms = Date.parse(value)
  return Number.isNaN(ms) ? null : ms
}

/** Null for a person, who has neither list. */
function creditsOf(record: Row): Row | null | string {
  if (record.casts_info === undefined && record.crews_info === undefined) return null
  const casts = record.casts_info ?? []
  const crews = record.crews_info ?? []
  if (!isList(casts)) return 'casts_info is not a list of objects'
  if (!isList(crews)) return 'crews_info is not a list of objects'
  return {
    cast: casts.map(({ person_id, ...credit }, order) => ({ id: person_id, ...credit, order })),
    crew: crews.map(({ person_id, ...credit }) => ({ id: person_id, ...credit })),
  }
}

function isList(value: unknown): value is readonly Row[] {
  return Array.isArray(value) && value.every(isObject)
}
