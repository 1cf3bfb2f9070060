/** Actions as they stand in the log, known or not, well-formed or not. */
import { messageOf } from '../../../engine/errors.ts'
import { parseJson } from '../int64-json.ts'
import { isObject } from '../schema.ts'
import type { Report } from './finding.ts'
import { keyTwice } from './json-keys.ts'

/** The fields of an action, of any types. */
export type Fields = Readonly<Record<string, unknown>>

/** One action. A field that is null counts as absent: see {@link fieldOf}. */
export interface RawAction {
  readonly kind: string
  readonly fields: Fields
  /** Where in its file, for messages: `line 3`. */
  readonly at: string
}

/** The value of a field; undefined if it is null. */
export function fieldOf(fields: Fields, name: string): unknown {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined
  return value === null ? undefined : value
}

/** A field that should be a text; undefined if it is none. */
export function textOf(fields: Fields, name: string): string | undefined {
  const value = fieldOf(fields, name)
  return typeof value === 'string' ? value : undefined
}

/** A field that should be an object; without fields if it is none. */
export function objectOf(fields: Fields, name: string): Fields {
  const value = fieldOf(fields, name)
  return isObject(value) ? value : {}
}

/** A field that should be a list of texts; without those that are none. */
export function textsOf(fields: Fields, name: string): string[] {
  const value = fieldOf(fields, name)
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : []
}

/** What became of the lines of a file. */
export interface ParsedLines {
  readonly actions: readonly RawAction[]
  /** Lines that are no action, whatever else they are. */
  readonly broken: number
}

/** The actions in lines of JSON (PROTOCOL.md, "Delta Log Entries"). */
export function parseLines(body: Uint8Array, report: Report): ParsedLines {
  const actions: RawAction[] = []
  const lines = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8').split('\n')
  let seen = 0
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') continue
    seen += 1
    const action = parseLine(line, `line ${i + 1}`, report)
    if (action !== null) actions.push(action)
  }
  if (seen === 0) report('entry-empty', 'it has no action')
  return { actions, broken: seen - actions.length }
}

function parseLine(line: string, at: string, report: Report): RawAction | null {
  let value: unknown
  try {
    value = parseJson(line)
  } catch (error) {
    report('line-not-json', `${at} is not JSON: ${messageOf(error)}`)
    return null
  }
  const twice = keyTwice(line)
  if (twice !== null) report('key-twice', `${at} has the key ${twice} twice`)
  return oneAction(value, at, report)
}

const knownKinds: ReadonlySet<string> = new Set(
  'add remove cdc metaData protocol txn commitInfo domainMetadata sidecar checkpointMetadata'.split(' '),
)

/** The action of an object with one key that is not null. Keys that are unknown to the protocol may stand beside it. */
export function oneAction(value: unknown, at: string, report: Report): RawAction | null {
  const all = isObject(value) ? Object.keys(value).filter((key) => value[key] !== null) : []
  const known = all.filter((key) => knownKinds.has(key))
  if (known.length > 0)
    for (const key of all)
      if (!knownKinds.has(key)) report('action-unknown', `${at}: ${key} is no action of the protocol`)
  const kinds = known.length > 0 ? known : all
  const fields = kinds.length === 1 ? (value as Fields)[kinds[0]!] : undefined
  if (isObject(fields)) return { kind: kinds[0]!, fields, at }
  const what = kinds.length > 1 ? `holds ${kinds.join(' and ')}` : 'holds no action'
  report('line-not-one-action', `${at} ${what}`)
  return null
}
