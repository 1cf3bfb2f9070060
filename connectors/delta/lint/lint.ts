/**
 * Holds the log of a table against the rules for writers in PROTOCOL.md. It reads the log by itself, not as readers do, so that it sees
 * what they pass over, and does not stop at what they refuse.
 */
import type { ObjectStore } from '../../../engine/contracts.ts'
import type { Duckdb } from '../../../engine/duckdb.ts'
import { entryKey } from '../log-entry.ts'
import { hintKey } from '../log-listing.ts'
import { checkShape } from './action-shapes.ts'
import { type CheckpointOptions, checkAgainstLog, checkAlone } from './checkpoint-rules.ts'
import { checkChecksum } from './checksum-rules.ts'
import { checkEntry } from './entry-rules.ts'
import { type Finding, type Report, reporter } from './finding.ts'
import { checkHint, type KnownCheckpoint } from './hint-rules.ts'
import { type CheckpointFiles, type CompactedFile, type LogFolder, listFolder } from './log-folder.ts'
import { emptyState, type LogState } from './log-state.ts'
import { parseLines } from './raw-action.ts'

/** A table, and what its log is read with. */
export interface LintOptions {
  readonly store: ObjectStore
  /** Path of the table, as its key prefix. */
  readonly table: string
  /** Checkpoints are read with it; without, they are passed over. */
  readonly duckdb?: () => Promise<Duckdb>
}

/** How many entries are fetched at once. */
const parallelReads = 16

/**
 * Everything that is wrong with a table's log, in the order of its versions; nothing for one that keeps all rules. Data files are not
 * looked at. Broken tables are findings, never errors; throws only what the store throws. Entries are read one by one, and the live
 * files are kept in memory.
 */
export async function lintTable({ store, table, duckdb }: LintOptions): Promise<Finding[]> {
  const findings: Finding[] = []
  // before the listing: the log may grow meanwhile, and a hint is never older than its checkpoint
  const hint = await store.get(hintKey(table))
  const folder = await listFolder(store, table)
  const logAs = (version: bigint | null, file: string): Report => reporter({ version, file, findings })
  if (folder.entries.length + folder.checkpoints.length === 0) {
    logAs(null, `${table}/_delta_log/`)('log-missing', 'there is neither an entry nor a checkpoint')
    return findings
  }
  const walk = openWalk({ store, table, folder, duckdb, logAs })
  const bodies = prefetch(store, table, folder.entries)
  const checkpoints = Map.groupBy(folder.checkpoints, ({ version }) => version)
  const checksums = new Map(folder.checksums.map(({ version, key }) => [version, key]))
  for (const version of versionsOf(folder)) {
    if (bodies.has(version)) walk.entry(version, await bodies.take(version))
    for (const files of checkpoints.get(version) ?? []) await walk.checkpoint(files)
    const checksum = checksums.get(version)
    if (checksum !== undefined) walk.checksum(version, checksum, await store.get(checksum))
  }
  for (const file of folder.compacted) walk.compacted(file, await store.get(file.key))
  walk.finish(hint)
  return findings
}

function versionsOf({ entries, checkpoints }: LogFolder): bigint[] {
  const versions = new Set([...entries, ...checkpoints.map(({ version }) => version)])
  return [...versions].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
}

interface Walk {
  /** @param body null if it went away since it was listed */
  entry(version: bigint, body: Uint8Array | null): void
  checkpoint(files: CheckpointFiles): Promise<void>
  checksum(version: bigint, key: string, body: Uint8Array | null): void
  compacted(file: CompactedFile, body: Uint8Array | null): void
  /** @param hint the file that names the newest checkpoint, null if there is none */
  finish(hint: Uint8Array | null): void
}

interface WalkOptions {
  readonly store: ObjectStore
  readonly table: string
  readonly folder: LogFolder
  readonly duckdb: LintOptions['duckdb']
  readonly logAs: (version: bigint | null, file: string) => Report
}

/** The versions of a log one after another, entry before checkpoint before checksum. */
function openWalk({ store, table, folder, duckdb, logAs }: WalkOptions): Walk {
  let state = emptyState()
  state.complete = folder.entries[0] === 0n
  /** The version that `state` is of; null before the first. */
  let reached: bigint | null = null
  let began = state.complete
  const newest = folder.entries.at(-1) ?? -1n
  const newestIs = () => (newest < 0n ? 'there is no entry' : `the newest entry is of version ${newest}`)
  const known: KnownCheckpoint[] = []

  function lost(): void {
    state = { ...emptyState(), protocol: state.protocol, table: state.table, complete: false }
  }
  function adopt(other: LogState, version: bigint): void {
    state = other
    reached = version
    began = true
  }
  return {
    entry(version, body) {
      const report = logAs(version, entryKey(table, version))
      const gap = reached !== null && version !== reached + 1n
      if (gap) {
        // between a checkpoint and older entries that are left of the time before it, nothing is missing
        if (folder.entries[0]! < version) report('log-gap', `version ${version} follows version ${reached}`)
        lost()
      }
      reached = version
      if (body === null) return lost()
      const { actions, broken } = parseLines(body, report)
      if (broken > 0) state.complete = false
      checkEntry({ version, actions, state, report })
    },
    async checkpoint(files) {
      const report = logAs(files.version, files.keys[0]!)
      if (files.keys.length < files.total) {
        report('checkpoint-incomplete', `${files.keys.length} of ${files.total} parts are there`)
        return
      }
      if (files.version > newest) report('checkpoint-without-entry', newestIs())
      const options: CheckpointOptions = { store, table, folder, report, duckdb: duckdb ?? noDuckdb }
      const read = duckdb === undefined ? null : await checkAlone(options, files)
      known.push({
        files,
        actions: read?.actions ?? null,
        adds: read?.adds ?? null,
        sidecarBytes: read?.sidecarBytes ?? null,
      })
      if (read === null) {
        if (duckdb === undefined) began = true // whatever it may hold
        return
      }
      if (state.complete && reached === files.version) checkAgainstLog(read, state, files, report)
      else adopt(read.state, files.version)
    },
    checksum(version, key, body) {
      if (body !== null) checkChecksum(body, state.complete && reached === version ? state : null, logAs(version, key))
    },
    compacted({ key, from, to }, body) {
      const report = logAs(to, key)
      if (from >= to || to > newest) report('compaction-range', `it is of versions ${from} to ${to}: ${newestIs()}`)
      if (body === null) return
      // it has what a checkpoint has, of a few versions
      for (const action of parseLines(body, report).actions)
        if (action.kind !== 'cdc') checkShape(action, 'checkpoint', report) // the reference implementation keeps change files
    },
    finish(hint) {
      if (!began)
        logAs(null, `${table}/_delta_log/`)('log-without-beginning', `it begins at version ${folder.entries[0]}`)
      for (const { key, version } of folder.checksums)
        if (version > newest) logAs(version, key)('checksum-without-entry', newestIs())
      if (hint !== null) checkHint(hint, known, logAs(null, hintKey(table)))
    },
  }
}

function noDuckdb(): Promise<Duckdb> {
  return Promise.reject(new Error('checkpoints are not read'))
}

interface Bodies {
  has(version: bigint): boolean
  /** Entries are taken in ascending order. */
  take(version: bigint): Promise<Uint8Array | null>
}

function prefetch(store: ObjectStore, table: string, entries: readonly bigint[]): Bodies {
  const listed = new Set(entries)
  const under = new Map<bigint, Promise<Uint8Array | null>>()
  let next = 0
  return {
    has: (version) => listed.has(version),
    take(version) {
      while (next < entries.length && under.size < parallelReads) {
        const body = store.get(entryKey(table, entries[next]!))
        body.catch(() => {}) // thrown where it is awaited
        under.set(entries[next]!, body)
        next += 1
      }
      const body = under.get(version)!
      under.delete(version)
      return body
    },
  }
}
