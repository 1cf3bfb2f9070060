/** Actions, transactions and a table's options for tests. */
import type { Clock, Ids, ObjectStore } from '../../engine/contracts.ts'
import type { Duckdb } from '../../engine/duckdb.ts'
import type { Action, AddFile } from './actions.ts'
import { createActions } from './create.ts'
import type { DeltaTable, LiveFiles, Snapshot, Transaction } from './table.ts'
import type { DeltaTableOptions } from './table-options.ts'

/** An `add` of a file that need not exist. */
export function addAction(path: string, more: Partial<AddFile> = {}): Action {
  return { add: { path, partitionValues: {}, size: 1n, modificationTime: 0n, dataChange: true, ...more } }
}

/** A `remove` that no retention has expired. */
export function removeAction(path: string, dataChange = true): Action {
  return { remove: { path, dataChange, deletionTimestamp: BigInt(Date.now()), extendedFileMetadata: false } }
}

export function txnAction(appId: string, version: bigint): Action {
  return { txn: { appId, version, lastUpdated: 0n } }
}

/** The first actions of a table with one column. */
export function creation(id = 'test'): Action[] {
  return createActions({ columns: [{ name: 'id', type: 'long' }], changeFeed: false, id, nowMs: 0 })
}

/** The first entry of a table as another engine writes it, which may hold what we would not write. */
export interface ForeignTable {
  readonly fields: readonly object[]
  readonly protocol?: object
  readonly partitionColumns?: readonly string[]
  readonly configuration?: Readonly<Record<string, string>>
  /** What the `add` of each file has beside what every one has. */
  readonly files?: readonly object[]
}

/** Writes version 0 of a table at `path`; its id is `id-of-<path>`. */
export async function writeForeignTable(store: ObjectStore, path: string, table: ForeignTable): Promise<void> {
  const { fields, protocol = { minReaderVersion: 1, minWriterVersion: 2 }, files = [], ...rest } = table
  const metaData = {
    id: `id-of-${path}`,
    format: { provider: 'parquet', options: {} },
    schemaString: JSON.stringify({ type: 'struct', fields }),
    partitionColumns: [],
    configuration: {},
    createdTime: 1,
    ...rest,
  }
  const adds = files.map((file) => ({
    add: { partitionValues: {}, size: 1, modificationTime: 1, dataChange: true, ...file },
  }))
  const entry = [{ protocol }, { metaData }, ...adds].map((action) => JSON.stringify(action)).join('\n')
  await store.putIfAbsent(`${path}/_delta_log/00000000000000000000.json`, Buffer.from(entry))
}

/** The live files of a table that exists, now or at a version. */
export async function liveFiles(table: DeltaTable, version?: bigint): Promise<LiveFiles> {
  return (await table.snapshot(version))!.files()
}

let transactions = 0

/** A blind append that is always admitted, but for what is given. */
export function transaction(
  snapshot: Snapshot | null,
  actions: readonly Action[],
  more: Partial<Transaction> = {},
): Transaction {
  return {
    snapshot,
    actions,
    reads: { kind: 'blind-append' },
    operation: 'WRITE',
    txnId: `test-${process.pid}-${transactions++}`,
    admits: () => true,
    ...more,
  }
}

/** A clock that stands still; waiting takes no time. */
const stillClock: Clock = { nowMs: () => 1_700_000_000_000, sleep: async () => {} }

/** Ids that count, and the random numbers of a seed. */
export function countingIds(seed: number): Ids {
  let [count, state] = [0, seed >>> 0]
  return {
    uuid: () => `${seed}-${count++}`,
    random() {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return state / 2 ** 32
    },
  }
}

export function tableOptions(store: ObjectStore, more: Partial<DeltaTableOptions> = {}): DeltaTableOptions {
  return {
    store,
    path: 't',
    duckdb: (): Promise<Duckdb> => Promise.reject(new Error('DuckDB was not expected to be opened')),
    clock: stillClock,
    ids: countingIds(1),
    checkpointInterval: 1_000_000,
    stagingDir: '/nonexistent',
    ...more,
  }
}
