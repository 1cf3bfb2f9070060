/** What is in a table's log folder (PROTOCOL.md, "File Types"). */
import type { ObjectStore } from '../../engine/contracts.ts'
import { int64, parseJson } from './int64-json.ts'
import { versionName } from './log-entry.ts'

/** What the log's folder holds, as far as it was listed. */
export interface LogListing {
  /** Versions with a log entry, ascending. */
  readonly entries: readonly bigint[]
  /** Versions with a classic checkpoint in one file, ascending. */
  readonly checkpoints: readonly bigint[]
  /** Checkpoints of kinds that we do not read: `multi-part checkpoint 10`, `V2 checkpoint 12`. */
  readonly otherCheckpoints: readonly string[]
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
  const [entries, checkpoints]: [bigint[], bigint[]] = [[], []]
  const others = new Set<string>()
  // '-' is the greatest character before the '.' that follows the digits
  for await (const { key } of store.list(prefix, `${prefix}${versionName(from)}-`)) {
    const match = /^(\d{20})\.(.+)$/.exec(key.slice(prefix.length))
    if (match === null) continue
    const [version, rest] = [BigInt(match[1]!), match[2]!]
    if (rest === 'json') entries.push(version)
    else if (rest === 'checkpoint.parquet') checkpoints.push(version)
    else if (/^checkpoint\.\d{10}\.\d{10}\.parquet$/.test(rest)) others.add(`multi-part checkpoint ${version}`)
    else if (/^checkpoint\.[^.]+\.(json|parquet)$/.test(rest)) others.add(`V2 checkpoint ${version}`)
  }
  return { entries, checkpoints, otherCheckpoints: [...others] }
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
