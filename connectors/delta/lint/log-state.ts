/** The state that a log has come to, out of raw actions (PROTOCOL.md, "Action Reconciliation"). */
import { int64, parseJson } from '../int64-json.ts'
import { fileKey } from '../replay.ts'
import { isObject } from '../schema.ts'
import type { TableView } from './metadata-rules.ts'
import { type Fields, fieldOf, type RawAction, textOf } from './raw-action.ts'
import { vectorIdOf } from './vector-rules.ts'

/** Changed in place, version by version. */
export interface LogState {
  /** Whether everything before is known. What is not known cannot be contradicted. */
  complete: boolean
  protocol: Fields | null
  table: TableView | null
  /** Live files by {@link logicalKey}. */
  readonly files: Map<string, Fields>
  /** Of paths that are live with a deletion vector: the logical file. */
  readonly vectored: Map<string, string>
  /** When files that are not live any more were removed, by {@link logicalKey}. */
  readonly tombstones: Map<string, bigint | null>
  readonly txns: Map<string, Fields>
  /** Without those that were removed. */
  readonly domains: Map<string, Fields>
  /** In-commit timestamp of the newest version. */
  timestamp: bigint | null
}

/** Before version 0. */
export function emptyState(): LogState {
  return {
    complete: true,
    protocol: null,
    table: null,
    files: new Map(),
    vectored: new Map(),
    tombstones: new Map(),
    txns: new Map(),
    domains: new Map(),
    timestamp: null,
  }
}

/** What tells two data files apart. */
export function pathOf(file: Fields): string {
  return fileKey(textOf(file, 'path') ?? '')
}

/** What tells two logical files apart: the data file, and the deletion vector. */
export function logicalKey(file: Fields): string {
  const vector = vectorIdOf(file)
  return vector === '' ? pathOf(file) : `${pathOf(file)} ${vector}`
}

/** The logical file that a path is live as, or null. */
export function liveKey({ files, vectored }: LogState, path: string): string | null {
  return vectored.get(path) ?? (files.has(path) ? path : null)
}

/** The rows that a file says it has, those taken out included; null if it does not say. */
export function rowCountOf(file: Fields): bigint | null {
  try {
    const stats = parseJson(textOf(file, 'stats') ?? 'null')
    return isObject(stats) ? int64(stats.numRecords) : null
  } catch {
    return null // reported where the file was added
  }
}

/** Takes in the actions of one version, or of a checkpoint, but for `metaData`: its reader knows more of it. */
export function applyActions(state: LogState, actions: readonly RawAction[]): void {
  // within one entry what was added stays, whatever the order of the lines
  for (const { kind, fields } of actions) if (kind === 'remove') applyRemove(state, fields)
  for (const { kind, fields } of actions) {
    if (kind === 'add') applyAdd(state, fields)
    else if (kind === 'protocol') state.protocol = fields
    else if (kind === 'txn') state.txns.set(textOf(fields, 'appId') ?? '', fields)
    else if (kind === 'domainMetadata') applyDomain(state, fields)
  }
}

function applyRemove({ files, vectored, tombstones }: LogState, remove: Fields): void {
  const [path, key] = [pathOf(remove), logicalKey(remove)]
  files.delete(key)
  if (vectored.get(path) === key) vectored.delete(path)
  tombstones.set(key, int64(fieldOf(remove, 'deletionTimestamp')))
}

function applyAdd({ files, vectored, tombstones }: LogState, add: Fields): void {
  const [path, key] = [pathOf(add), logicalKey(add)]
  files.set(key, add)
  if (key !== path) vectored.set(path, key)
  tombstones.delete(key)
}

function applyDomain({ domains }: LogState, domain: Fields): void {
  const name = textOf(domain, 'domain') ?? ''
  if (domain.removed === true) domains.delete(name)
  else domains.set(name, domain)
}
