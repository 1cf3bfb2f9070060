/** Events from files of JSON lines: documents, records of the original platform, change histories. */
import { messageOf } from '../../engine/errors.ts'
import { checkFiles } from '../records/lines.ts'
import { type DocumentType, isDocumentType, type TmdbEvent } from './event.ts'
import { integerOf, isObject, parseExactly } from './exact-json.ts'
import { readLines } from './lines.ts'
import { inWords, kindMarks, mediaTypes, sharedFields } from './object-kinds.ts'
import { platformEvent, platformTypeOf } from './platform-records.ts'

/** A line that could not be understood; nothing was made of it. */
export interface InputProblem {
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  readonly message: string
}

export interface InputOptions {
  /** Read one after another; plain or gzip. */
  readonly files: readonly string[]
  /** Event time of what carries none: documents, and records without a timestamp. */
  readonly nowMs: number
  /** Called for every line that is not understood. */
  readonly onProblem: (problem: InputProblem) => void
}

/**
 * The files' events in the order of their lines; each line may be of another shape:
 * - a TMDB document (movie, series or person, told by its fields): labelled `old`, as of `nowMs`;
 * - `{movie_id, movie_detail, casts_info, crews_info}` and the like: see `platformEvent`;
 * - `{ts, op, type, id, doc}`: `op` A becomes `new`, M `change`, D a deletion; `ts` in seconds is the event time.
 *
 * Lazy, in constant memory. All files are opened for a check before the first line is read.
 * @throws MillraceError `CONFIG_INVALID` listing the files that cannot be opened, `SOURCE_READ_FAILED` for a damaged one
 */
export async function* readEvents(options: InputOptions): AsyncGenerator<TmdbEvent, void, undefined> {
  await checkFiles(options.files)
  for (const file of options.files)
    for await (const { number, text } of readLines(file)) {
      const event = text === null ? 'is not UTF-8' : eventOf(text, options.nowMs)
      if (typeof event === 'string') options.onProblem({ file, line: number, message: event })
      else yield event
    }
}

/** The event that a line tells of, or what is wrong with it. */
export function eventOf(text: string, nowMs: number): TmdbEvent | string {
  let value: unknown
  try {
    value = parseExactly(text)
  } catch (error) {
    return `is not JSON: ${messageOf(error)}`
  }
  if (!isObject(value)) return 'is not a JSON object'
  if ('op' in value && 'ts' in value) return historyEvent(value)
  const platformType = platformTypeOf(value)
  if (platformType !== null) return platformEvent(value, platformType, nowMs)
  return documentEvent(value, nowMs)
}

function historyEvent(entry: Row): TmdbEvent | string {
  const { ts, op, type, doc } = entry
  const id = integerOf(entry.id)
  const timestampMs = typeof ts === 'number' ? Math.round(ts * 1000) : Number.NaN
  if (Number.isNaN(new Date(timestampMs).getTime())) return `ts is not a time in seconds: ${JSON.stringify(ts)}`
  if (!isDocumentType(type)) return `type is not one of movie, tv_series, person: ${JSON.stringify(type)}`
  if (id === null) return `id is not a whole number of 64 bits: ${JSON.stringify(entry.id)}`
  if (op === 'D') return { timestampMs, op, type, id }
  if (op !== 'A' && op !== 'M') return `op is not one of A, M, D: ${JSON.stringify(op)}`
  if (!isObject(doc)) return `doc is no document: ${JSON.stringify(doc)?.slice(0, 80)}`
  if (doc.id !== undefined && integerOf(doc.id) !== id)
    return `doc is of id ${JSON.stringify(doc.id)}, the line of id ${id}`
  return { timestampMs, op, label: op === 'A' ? 'new' : 'change', type, id, doc }
}

function documentEvent(doc: Row, nowMs: number): TmdbEvent | string {
  const foreign = foreignKindOf(doc)
  if (foreign !== null) return `is ${foreign}, and no movie, series or person`
  const type = documentTypeOf(doc)
  if (type === null || !('id' in doc))
    return 'is neither a TMDB document, nor a record with movie_id, tv_series_id or person_id, nor {ts, op, type, id, doc}'
  const id = integerOf(doc.id)
  if (id === null) return `id is not a whole number of 64 bits: ${JSON.stringify(doc.id)}`
  return { timestampMs: nowMs, op: 'A', label: 'old', type, id, doc }
}

type Row = Readonly<Record<string, unknown>>

const ours = Object.keys(mediaTypes) as readonly DocumentType[]

/** What an object shows to be that is no document, and by which field; null if nothing. */
function foreignKindOf(doc: Row): string | null {
  const { media_type } = doc
  if (media_type !== undefined && !Object.values(mediaTypes).some((known) => known === media_type))
    return `of media_type ${JSON.stringify(media_type)}`
  for (const [kind, fields] of Object.entries(kindMarks)) {
    const field = ours.some((type) => type === kind) ? undefined : fields.find((each) => each in doc)
    if (field !== undefined) return `${inWords(kind)} (it has ${field})`
  }
  return null
}

/** Fields that documents of one type have, the surest first. */
const marks: readonly (readonly [DocumentType, ...fields: string[]])[] = [
  ['movie', ...kindMarks.movie, 'original_title', 'release_date'],
  ['tv_series', ...kindMarks.tv_series, 'seasons', 'networks', 'created_by', 'episode_run_time'],
  ['person', ...kindMarks.person, 'birthday', 'also_known_as', 'place_of_birth'],
  ['tv_series', 'original_name'],
  ['person', 'profile_path'],
]

/** What its media type or its fields show; null for an object with nothing but what many kinds have. */
function documentTypeOf(doc: Row): DocumentType | null {
  const said = ours.find((type) => mediaTypes[type] === doc.media_type)
  if (said !== undefined) return said
  if (Object.keys(doc).every((field) => sharedFields.has(field))) return null
  return marks.find(([, ...fields]) => fields.some((field) => field in doc))?.[0] ?? null
}
