/** Taking a table back to an earlier version, as a new one. */
import { partsOfAppId } from '../../checkpoints/position.ts'
import type { Clock, Ids, ObjectStore } from '../../engine/contracts.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { Action, AddFile } from './actions.ts'
import { missingFiles } from './files-below.ts'
import type { DeltaTable, LiveFiles, Snapshot, Transaction } from './table.ts'
import { removalOf } from './table-write.ts'

export interface RestoreOptions {
  readonly table: DeltaTable
  readonly store: ObjectStore
  readonly clock: Clock
  readonly ids: Ids
  /** The version whose rows and schema the table is to have again. */
  readonly version: bigint
  /**
   * Also takes the positions of pipelines back: they read again what they read after that version. Otherwise they go on
   * from where they are, and what they wrote since then stays away.
   */
  readonly rewind: boolean
}

/** What a restore changed. */
export interface Restored {
  /** The new version; the newest one if nothing had to be changed. */
  readonly version: bigint
  readonly filesRestored: number
  readonly filesRemoved: number
  /** Pipelines whose position was taken back. */
  readonly rewound: readonly string[]
}

/** Tries after other writers were in the way. */
const tries = 5

/**
 * Commits a version with the files and the schema of an earlier one; readers of the change feed see what that takes away
 * and brings back. The protocol stays what it is. `TABLE_NOT_FOUND`; `TABLE_CORRUPT` if files of that version are gone,
 * as vacuum leaves it; `CONFIG_INVALID` for a pipeline that began later and so has no position to go back to.
 */
export async function restoreTable(options: RestoreOptions): Promise<Restored> {
  const { table, version } = options
  for (let attempt = 1; attempt <= tries; attempt += 1) {
    const [head, then] = [await table.snapshot(), await table.snapshot(version)]
    if (head === null || then === null) throw new MillraceError('TABLE_NOT_FOUND', `table ${table.path} does not exist`)
    const result = await tryRestore(options, head, then)
    if (result !== null) return result
  }
  throw new MillraceError('SINK_FAILED', `table ${table.path}: other writers were faster ${tries} times (stop them)`)
}

async function tryRestore(options: RestoreOptions, head: Snapshot, then: Snapshot): Promise<Restored | null> {
  const { table, clock, ids, version, rewind } = options
  const [live, wanted] = [await head.files(), await then.files()]
  const adds = missingIn(live, wanted)
  const removes = missingIn(wanted, live)
  await assertThere(options, adds)
  const txns = rewind ? positionsBack(options, head, then) : []
  const changed = JSON.stringify(settings(head)) !== JSON.stringify(settings(then))
  const actions: Action[] = [
    ...(changed ? [{ metaData: { ...head.metaData, ...settings(then) } }] : []),
    ...removes.map((add) => ({ remove: removalOf(add, clock.nowMs()) })),
    ...adds.map((add) => ({ add: { ...add, dataChange: true } })),
    ...txns,
  ]
  const done = {
    filesRestored: adds.length,
    filesRemoved: removes.length,
    rewound: pipelinesIn(txns.map(({ txn }) => txn)),
  }
  if (actions.length === 0) return { version: head.version, ...done }
  const result = await table.commit({
    snapshot: head,
    actions,
    reads: { kind: 'files', files: new Set([...live.values()].map(({ path }) => path)), mayMatch: () => true },
    operation: 'RESTORE',
    operationParameters: { version: String(version), timestamp: null },
    operationMetrics: { numRestoredFiles: String(adds.length), numRemovedFiles: String(removes.length) },
    txnId: ids.uuid(),
    admits: () => true,
  } satisfies Transaction)
  return result.kind === 'committed' || result.kind === 'already-committed'
    ? { version: result.version, ...done }
    : null
}

/** Logical files of the second that the first does not have. */
function missingIn(first: LiveFiles, second: LiveFiles): AddFile[] {
  return [...second].flatMap(([key, add]) => (first.has(key) ? [] : [add]))
}

/** What a version says of the table itself. The table's identity, by which its readers know it, is none of it. */
function settings({ metaData }: Snapshot) {
  const { schemaString, partitionColumns, configuration } = metaData
  return { schemaString, partitionColumns, configuration }
}

async function assertThere({ store, table, version }: RestoreOptions, adds: readonly AddFile[]): Promise<void> {
  const missing = await missingFiles(store, table.path, adds)
  if (missing.length === 0) return
  throw new MillraceError(
    'TABLE_CORRUPT',
    `table ${table.path} cannot be restored to version ${version}: ${missing.length} of its files are gone, as ${missing[0]} (choose a younger version)`,
  )
}

type TxnAction = Extract<Action, { txn: unknown }>

function positionsBack({ table, version, clock }: RestoreOptions, head: Snapshot, then: Snapshot): TxnAction[] {
  const moved = [...head.txns.values()].filter(
    ({ appId, version: now }) => appId.includes('/') && then.txns.get(appId)?.version !== now,
  )
  const later = moved.filter(({ appId }) => !then.txns.has(appId))
  if (later.length > 0)
    throw new MillraceError(
      'CONFIG_INVALID',
      `table ${table.path}: ${pipelinesIn(later).join(', ')} had not read ${later.map(({ appId }) => partsOfAppId(appId).sourcePartition).join(', ')} at version ${version} and cannot be rewound to it (restore without rewinding, or choose a younger version)`,
    )
  const lastUpdated = BigInt(Math.floor(clock.nowMs()))
  return moved.map(({ appId }) => ({ txn: { appId, version: then.txns.get(appId)!.version, lastUpdated } }))
}

function pipelinesIn(txns: readonly { readonly appId: string }[]): string[] {
  return [...new Set(txns.map(({ appId }) => partsOfAppId(appId).pipeline))].sort()
}
