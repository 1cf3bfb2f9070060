/** What the rest of the connector works with: a table's snapshots, its log entries and its commit. */
import type { Column } from '../../engine/schema.ts'
import type { Action, AddFile, CommitInfo, MetaData, Protocol, RemoveFile, Txn } from './actions.ts'

/** The table at one version, but for its files. */
export interface TableHead {
  readonly version: bigint
  readonly protocol: Protocol
  readonly metaData: MetaData
  /** `metaData.schemaString`, parsed. */
  readonly columns: readonly Column[]
  /** Latest `txn` per appId. */
  readonly txns: ReadonlyMap<string, Txn>
  /** What the version's writer said of it; null if nothing, or if its entry is gone. */
  readonly commitInfo: CommitInfo | null
}

/** Live files: by path, and by deletion vector if they have one. */
export type LiveFiles = ReadonlyMap<string, AddFile>

/** The table at one version. */
export interface Snapshot extends TableHead {
  /** How many files are live; null where other writers left that open. */
  readonly fileCount: number | null
  /** Read from the log when they are first asked for: who only adds rows never needs them. */
  files(): Promise<LiveFiles>
  /** Files that were live and are not any more, as long as the log remembers them; read as {@link Snapshot.files} is. */
  tombstones(): Promise<ReadonlyMap<string, RemoveFile>>
}

/** One entry of the log. */
export interface LogEntry {
  readonly version: bigint
  readonly actions: readonly Action[]
}

/** What a transaction read, for the conflict check. */
export type TransactionReads =
  /** Only `txn`s and the schema: never conflicts with data. */
  | { readonly kind: 'blind-append' }
  /** The whole table, or the files that may hold matching rows: another writer's data change conflicts. */
  | {
      readonly kind: 'files'
      /** Paths of the files whose rows the transaction's result depends on. */
      readonly files: ReadonlySet<string>
      /** Whether a file that another writer added could hold rows that we should have read. */
      readonly mayMatch: (added: AddFile) => boolean
    }

/** Actions that become the next version of a table, whole or not at all. */
export interface Transaction {
  /** The snapshot that the actions were made from; null creates the table (version 0). */
  readonly snapshot: Snapshot | null
  /** Everything but `commitInfo`. */
  readonly actions: readonly Action[]
  readonly reads: TransactionReads
  readonly operation: string
  readonly operationParameters?: Readonly<Record<string, unknown>>
  readonly operationMetrics?: Readonly<Record<string, string>>
  readonly txnId: string
  readonly millrace?: NonNullable<Extract<Action, { commitInfo: unknown }>['commitInfo']['millrace']>
  /**
   * Asked on every try, of the version that the commit would stand on: false refuses it for good. The commit rule
   * lives here.
   */
  readonly admits: (head: TableHead) => boolean
}

/** `refused`: `admits` said no of `head`. `conflict`: see conflict.ts; the work must be redone on a new snapshot. */
export type TransactionResult =
  | { readonly kind: 'committed'; readonly version: bigint }
  | { readonly kind: 'already-committed'; readonly version: bigint }
  | { readonly kind: 'refused'; readonly head: TableHead }
  | { readonly kind: 'conflict'; readonly reason: string }

/** One table: its snapshots, and commits to it. Opened without looking whether it exists. */
export interface DeltaTable {
  /** Key prefix in the store, without a trailing slash: `bronze/movies`. */
  readonly path: string
  /** The newest snapshot, or the one at `version`; null if there is no table. `TABLE_UNSUPPORTED`, `TABLE_CORRUPT`. */
  snapshot(version?: bigint): Promise<Snapshot | null>
  /** Log entries of versions `[start, end)`, in order; `SOURCE_RANGE_LOST` if one is gone. */
  entries(start: bigint, end: bigint): AsyncIterable<LogEntry>
  commit(transaction: Transaction): Promise<TransactionResult>
  /** Resolves when nothing is written beside commits any more: to be awaited before the process gives up DuckDB. */
  settled(): Promise<void>
}
