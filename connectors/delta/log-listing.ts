/** What is in a table's log folder (PROTOCOL.md, "File Types"). */
import type { ObjectStore } from '../../engine/contracts.ts'
import { int64, parseJson } from './int64-json.ts'
import { versionName } from './log-entry.ts'

/** What the log's folder holds, as far as it was listed. */
export interface LogListing {
  /** Versions with a log entry, ascending. */
  readonly entries: readonly bigint[]
  /** Ascending by version, of one version the easiest to read last. */
  readonly checkpoints: readonly ListedCheckpoint[]
  /** Versions with a checksum, ascending. */
  readonly checksums: readonly bigint[]
}

/** A whole checkpoint of whichever kind: classic, in several parts, or V2 (PROTOCOL.md, "Checkpoints"). */
export interface ListedCheckpoint {
  readonly version: bigint
  /** Keys of its files; sidecars are named inside. */
  readonly keys: readonly string[]
}

/** Key of a version's classic checkpoint. */
export function checkpointKey(table: string, version: bigint): string {
  return `${table}/_delta_log/${versionName(version)}.checkpoint.parquet`
}

/** Key of the hint at the newest checkpoint. */
export function hintKey(table: string): string {
  return `${table}/_delta_log/_last_checkpoint`
}

export interface ListOptions {
  readonly store: ObjectStore
  readonly table: string
  /** The first version of interest. */
  readonly from: bigint
}

/** Entries and checkpoints from a version on, as the store lists them now. */
export async function listLog({ store, table, from }: ListOptions): Promise<LogListing> {
  const prefix = `${table}/_delta_log/`
  const [entries, checksums]: [bigint[], bigint[]] = [[], []]
  const found: LogFile[] = []
  // '-' is the greatest character before the '.' that follows the digits
  for await (const { key } of store.list(prefix, `${prefix}${versionName(from)}-`)) {
    const file = logFile(prefix, key)
    if (file === null) continue
    if (file.rest === 'json') entries.push(file.version)
    else if (file.rest === 'crc') checksums.push(file.version)
    else found.push(file)
  }
  return { entries, checkpoints: wholeCheckpoints(found), checksums }
}

/** A file of the log that is named after a version. */
export interface LogFile {
  readonly key: string
  readonly version: bigint
  /** Behind the version. */
  readonly rest: string
}

/** A key of the log's folder by its version; null for what has none. */
export function logFile(prefix: string, key: string): LogFile | null {
  const match = /^(\d{20})\.(.+)$/.exec(key.slice(prefix.length))
  return match === null ? null : { key, version: BigInt(match[1]!), rest: match[2]! }
}

/** Checkpoints whose files are all there: one in parts is written part by part. */
export function wholeCheckpoints(files: readonly LogFile[]): ListedCheckpoint[] {
  const ranked: (ListedCheckpoint & { readonly rank: number })[] = []
  const parts = new Map<string, { version: bigint; total: number; keys: string[] }>()
  for (const { key, version, rest } of files) {
    const part = /^checkpoint\.(\d{10})\.(\d{10})\.parquet$/.exec(rest)
    if (rest === 'checkpoint.parquet') ranked.push({ version, keys: [key], rank: 2 })
    else if (part !== null) {
      const set = parts.get(`${version}/${part[2]}`) ?? { version, total: Number(part[2]), keys: [] }
      set.keys.push(key)
      parts.set(`${version}/${part[2]}`, set)
    } else if (/^checkpoint\.[^.]+\.(json|parquet)$/.test(rest)) ranked.push({ version, keys: [key], rank: 1 })
  }
  for (const { version, total, keys } of parts.values())
    if (keys.length === total) ranked.push({ version, keys, rank: 0 })
  return ranked.sort((a, b) => (a.version === b.version ? a.rank - b.rank : a.version < b.version ? -1 : 1))
}

/** Version that `_last_checkpoint` names. Only ever a hint: null if it is missing or not understood. */
export async function readHint(store: ObjectStore, table: string): Promise<bigint | null> {
  const body = await store.get(hintKey(table))
  if (body === null) return null
  try {
    const hint = parseJson(Buffer.from(body).toString('utf8'))
    const version = int64((hint as { version?: unknown } | null)?.version)
    return version !== null && version >= 0n ? version : null
  } catch {
    return null // the listing is the authority; without a hint it only takes longer
  }
}
