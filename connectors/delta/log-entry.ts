/** One entry of the log, `<version>.json`: one action a line (PROTOCOL.md, "Delta Log Entries"). */
import { MillraceError, messageOf } from '../../engine/errors.ts'
import type { Action, CommitInfo } from './actions.ts'
import { parseJson, printJson } from './int64-json.ts'
import { parseAction } from './parse-action.ts'
import type { LogEntry } from './table.ts'

/** Key of a version's log entry in the store. */
export function entryKey(table: string, version: bigint): string {
  return `${table}/_delta_log/${versionName(version)}.json`
}

/** A version as file names have it: 20 digits. */
export function versionName(version: bigint): string {
  return String(version).padStart(20, '0')
}

/**
 * The actions of a log entry in order; unknown ones are left out. `TABLE_CORRUPT`, naming `key` and the line, if a line
 * is truncated or malformed, or if there is none at all.
 */
export function parseLogEntry(key: string, version: bigint, body: Uint8Array): LogEntry {
  const lines = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8').split('\n')
  const actions: Action[] = []
  let seen = 0
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') continue
    seen += 1
    const action = parseLine(line, key, i + 1)
    if (action !== null) actions.push(action)
  }
  if (seen === 0) throw corrupt(key, 'is empty')
  return { version, actions }
}

/** The bytes of a log entry. */
export function printLogEntry(actions: readonly Action[]): Uint8Array {
  return Buffer.from(actions.map((action) => `${printJson(action)}\n`).join(''))
}

/** The `commitInfo` of an entry, if its writer left one. */
export function commitInfoOf(entry: LogEntry): CommitInfo | null {
  for (const action of entry.actions) if ('commitInfo' in action) return action.commitInfo
  return null
}

/** The `commitInfo` in the bytes of an entry. Of the other actions, which may be many, none is read where it comes first. */
export function parseCommitInfo(key: string, body: Uint8Array): CommitInfo | null {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const end = bytes.indexOf('\n')
  const first = parseLine(bytes.toString('utf8', 0, end < 0 ? bytes.length : end), key, 1)
  if (first !== null && 'commitInfo' in first) return first.commitInfo
  return commitInfoOf(parseLogEntry(key, 0n, body))
}

/** Whether two entries of one version are the same one, by what their writers said of them. */
export function isSameCommit(left: CommitInfo | null, right: CommitInfo | null): boolean {
  if (left === null || right === null) return left === right
  if (left.txnId !== undefined || right.txnId !== undefined) return left.txnId === right.txnId
  return printJson(left) === printJson(right)
}

function parseLine(line: string, key: string, number: number): Action | null {
  try {
    return parseAction(parseJson(line))
  } catch (cause) {
    throw corrupt(key, `line ${number} is no action: ${messageOf(cause)}`, cause)
  }
}

function corrupt(key: string, what: string, cause?: unknown): MillraceError {
  return new MillraceError('TABLE_CORRUPT', `log entry ${key}: ${what} (restore the file from a copy)`, { cause })
}
