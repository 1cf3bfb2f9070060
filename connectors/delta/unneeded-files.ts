/** Which files below a table no version within its retention names. */
import type { ObjectInfo, ObjectStore } from '../../engine/contracts.ts'
import { keysOf, type NamedFile } from './file-keys.ts'
import { filesBelow } from './files-below.ts'
import { newestFirst } from './history.ts'
import { commitInfoOf } from './log-entry.ts'
import { leastAgeMs } from './retention.ts'
import type { DeltaTable, LogEntry, Snapshot } from './table.ts'

/** A table and where its files are. */
export interface TablePlace {
  readonly table: DeltaTable
  readonly store: ObjectStore
}

/** Times by the clock that dates the files, in milliseconds since 1970. */
export interface Times {
  readonly nowMs: number
  /** What was deleted from the table before is past its retention. */
  readonly oldestMs: number
}

/** Files that no version within the retention needs. */
export interface UnneededFiles {
  /** Versions name them which are past it. */
  readonly expired: readonly ObjectInfo[]
  /** No version is known to name them. A batch under way may be about to, but for those of {@link leastAgeMs} and more. */
  readonly unnamed: readonly ObjectInfo[]
}

/**
 * Files that are neither live nor were so within the retention, and are not younger than that themselves; nor than
 * {@link leastAgeMs}, where no version is known to name them.
 */
export async function unneededFiles(place: TablePlace, snapshot: Snapshot, times: Times): Promise<UnneededFiles> {
  const { kept, expired } = await rememberedFiles(place, snapshot, times)
  const old = (await ownFiles(place, snapshot)).filter(
    ({ key, modifiedMs }) => modifiedMs < times.oldestMs && !kept.has(key),
  )
  const unnamed = old.filter(({ key }) => !expired.has(key))
  const young = unnamed.filter(({ modifiedMs }) => modifiedMs >= times.nowMs - leastAgeMs).map(({ key }) => key)
  for (const key of await namedLately(place, snapshot, times, new Set(young))) expired.add(key)
  return {
    expired: old.filter(({ key }) => expired.has(key)),
    unnamed: unnamed.filter(({ key, modifiedMs }) => !expired.has(key) && modifiedMs < times.nowMs - leastAgeMs),
  }
}

/** Keys of all files that an entry of the log speaks of. */
export function keysIn({ store, table }: TablePlace, { actions }: LogEntry): string[] {
  return actions.flatMap((action) => {
    const named: NamedFile | null =
      'add' in action ? action.add : 'remove' in action ? action.remove : 'cdc' in action ? action.cdc : null
    return named === null ? [] : keysOf(store, table.path, named)
  })
}

/** Keys of files that are live or were so within the retention, and of those that were so before, as far as the log tells. */
async function rememberedFiles({ store, table }: TablePlace, snapshot: Snapshot, { oldestMs }: Times) {
  const [kept, expired] = [new Set<string>(), new Set<string>()]
  for (const add of (await snapshot.files()).values()) for (const key of keysOf(store, table.path, add)) kept.add(key)
  for (const remove of (await snapshot.tombstones()).values())
    for (const key of keysOf(store, table.path, remove))
      (Number(remove.deletionTimestamp ?? 0n) >= oldestMs ? kept : expired).add(key)
  return { kept, expired }
}

/** Those of the wanted keys that versions name which were made before the retention and lately, as files of changes are. */
async function namedLately(
  place: TablePlace,
  { version }: Snapshot,
  { nowMs, oldestMs }: Times,
  wanted: ReadonlySet<string>,
): Promise<Set<string>> {
  const found = new Set<string>()
  if (wanted.size === 0) return found
  for await (const entry of newestFirst(place.table, version)) {
    const madeMs = Number(commitInfoOf(entry)?.timestamp ?? Number.NaN)
    if (madeMs < nowMs - leastAgeMs || found.size === wanted.size) break
    if (madeMs < oldestMs) for (const key of keysIn(place, entry)) if (wanted.has(key)) found.add(key)
  }
  return found
}

/** Files that belong to the table and to nothing else. */
async function ownFiles({ store, table }: TablePlace, { metaData }: Snapshot): Promise<ObjectInfo[]> {
  const prefix = `${table.path}/`
  const files: ObjectInfo[] = []
  const others: string[] = []
  for await (const info of filesBelow(store, table.path)) {
    const folders = info.key.slice(prefix.length).split('/')
    const log = folders.indexOf('_delta_log')
    if (log > 0) others.push(`${prefix}${folders.slice(0, log).join('/')}/`)
    if (!folders.some((name) => isHidden(name, metaData.partitionColumns))) files.push(info)
  }
  return files.filter(({ key }) => !others.some((other) => key.startsWith(other)))
}

function isHidden(name: string, partitionColumns: readonly string[]): boolean {
  if (name === '_change_data' || partitionColumns.some((column) => name.startsWith(`${column}=`))) return false
  return name.startsWith('_') || name.startsWith('.')
}
